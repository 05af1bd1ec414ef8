"""Fixtures: the wheel, and an environment that has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.packaging.environment import build_wheel, make_environment


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """The Python of a new environment with the wheel, what it needs, and gunicorn."""
    return make_environment(tmp_path_factory.mktemp("environment"), wheel)
