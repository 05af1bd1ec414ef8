"""The compiled requirements agree with the direct ones, each other and pyproject.toml."""

from __future__ import annotations

import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.testbed.commands import ROOT


@pytest.mark.parametrize("name", ["requirements", "requirements-dev", "requirements-fuzz"])
def test_requirements_are_compiled(name: str) -> None:
    """Each direct dependency has its pin, and each pin says what needs it."""
    pins = _pins(f"{name}.txt")
    pinned = {canonicalize_name(Requirement(pin).name) for pin in pins}
    wanted = {
        canonicalize_name(Requirement(line).name)
        for line in _lines(f"{name}.in")
        if not line.startswith("-r ")
    }
    assert wanted, "nothing is wanted"
    assert wanted <= pinned
    assert all(need.startswith("via ") for need in pins.values())


def test_requirements_agree_with_each_other() -> None:
    runtime = _pins("requirements.txt").keys()
    for name in ("requirements-dev.txt", "requirements-fuzz.txt"):
        versions = {pin.partition(" ;")[0] for pin in _pins(name)}
        assert {pin.partition(" ;")[0] for pin in runtime} <= versions


def test_the_build_backend_is_the_one_that_developers_have() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (backend,) = project["build-system"]["requires"]
    assert backend in _pins("requirements-dev.txt")


def _pins(name: str) -> dict[str, str]:
    """Return each pin of a compiled file, with the comment that says what needs it."""
    lines = (ROOT / name).read_text().splitlines()
    split = (line.partition("#") for line in lines if not line.startswith("#"))
    return {pin.strip(): need.strip() for pin, _, need in split}


def _lines(name: str) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in (ROOT / name).read_text().splitlines())
    return [line for line in lines if line]
