"""The client's package: small files, ids as the RFC has them, and a wheel with all of it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from uuid import RFC_4122, UUID
from zipfile import ZipFile

from incrementer_client.uuid7 import uuid7
from tests.testbed.client_programs import SOURCE
from tests.testbed.commands import ROOT


def test_ids_are_uuids_of_version_7() -> None:
    before = time.time_ns() // 1_000_000
    made = [uuid7() for _ in range(1000)]
    after = time.time_ns() // 1_000_000
    assert len(set(made)) == 1000
    for each in made:
        assert each.version == 7
        assert each.variant == RFC_4122
        assert before <= each.int >> 80 <= after


def test_ids_use_every_random_bit() -> None:
    made = [uuid7().int for _ in range(1000)]
    ones = zeros = 0
    for each in made:
        ones |= each
        zeros |= ~each
    random_bits = (1 << 76) - 1 & ~(0b11 << 62)
    assert ones & zeros & random_bits == random_bits
    assert UUID(int=made[0])


def test_files_are_small() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in SOURCE.rglob("*.py")}
    assert len(lengths) > 10
    assert {name: length for name, length in lengths.items() if length >= 250} == {}


def test_the_wheel_has_every_file_and_needs_nothing(tmp_path: Path) -> None:
    offline = ("--no-deps", "--no-index", "--no-build-isolation", "--check-build-dependencies")
    pip = (sys.executable, "-m", "pip", "--quiet")
    package = str(ROOT / "clients/python")
    subprocess.run([*pip, "wheel", *offline, "-w", str(tmp_path), package], check=True)
    (wheel,) = tmp_path.glob("incrementer_client-*.whl")
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = (name for name in names if name.endswith("/METADATA"))
        assert "Requires-Dist" not in archive.read(metadata).decode()
    paths = {path for path in SOURCE.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    expected = {str(path.relative_to(SOURCE)) for path in paths}
    assert {name for name in names if ".dist-info/" not in name} == expected
    assert "incrementer_client/py.typed" in names
    assert any(name.endswith("/licenses/LICENSE") for name in names)
