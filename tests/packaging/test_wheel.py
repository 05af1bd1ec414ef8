"""What is in the wheel, and what it says of itself."""

from __future__ import annotations

from email.message import Message
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

from tests.testbed.commands import ROOT


@pytest.fixture(scope="module")
def files(wheel: Path) -> set[str]:
    with ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


def test_holds_every_file_of_the_app_and_nothing_else(files: set[str]) -> None:
    app = (path.relative_to(ROOT) for path in (ROOT / "counters").rglob("*") if path.is_file())
    expected = {str(path) for path in app if "__pycache__" not in path.parts}
    assert {name for name in files if ".dist-info/" not in name} == expected
    assert "counters/py.typed" in files


def test_has_the_licence(files: set[str], metadata: Message) -> None:
    assert metadata["License-Expression"] == "MIT"
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in files)


def test_needs_what_the_app_needs_and_not_what_the_service_needs(metadata: Message) -> None:
    needed = [Requirement(text) for text in metadata.get_all("Requires-Dist", [])]
    extras = {need.name for need in needed if need.marker is not None}
    assert {need.name for need in needed} - extras == {"django", "isal", "msgspec", "tqdm"}
    assert extras == {"psycopg"}
    assert metadata.get_all("Provides-Extra") == ["postgresql"]
