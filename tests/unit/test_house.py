"""Which module may import which: imports go one way, and each framework stays in its room."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

# A module of `counters` may import those that stand before it.
ORDER = [
    "increments",
    "key_text",
    "repeated_fields",
    "identified",
    "records",
    "sections",
    "record_content",
    "deltas",
    "temporary_folder",
    "seen_ids",
    "reused_ids",
    "room",
    "reader",
    "files",
    "users",
    "locks",
    "journal",
    "own_journal",
    "journal_folder",
    "orphans",
    "corrupt_files",
    "refused_files",
    "receipt",
    "pending",
    "state",
    "buffer",
    "syncer",
    "bells",
    "file_system",
    "config",
    "failures",
    "models",
    "dialects",
    "totals",
    "commit_proof",
    "request_ids",
    "limited",
    "listing",
    "exporting",
    "ranking",
    "imported_rows",
    "export_files",
    "identity",
    "counting_once",
    "counting",
    "settling",
    "recovery",
    "fresh",
    "resetting",
    "setting",
    "importing",
    "flusher",
    "recorder",
    "door",
    "checks",
    "apps",
    "admin",
    "management",
    "web",
]
WITHOUT_DJANGO = ORDER[: ORDER.index("config")]


def modules(package: str) -> list[Path]:
    return [
        path for path in sorted((ROOT / package).rglob("*.py")) if "migrations" not in path.parts
    ]


def imports(path: Path) -> Iterator[str]:
    """Yield what a module imports when it runs: not what only a type checker reads."""
    tree = ast.parse(path.read_text())
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms(path: Path, package: str) -> set[str]:
    """Return the rooms of `package` that a module imports from: its files and folders."""
    inside = [name.split(".") for name in imports(path) if name.split(".")[0] == package]
    return {parts[1] for parts in inside if len(parts) > 1}


def room_of(path: Path) -> str:
    return path.relative_to(ROOT / "counters").parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules("counters"), ids=str)
def test_nothing_in_counters_knows_upwards(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":  # the door imports lazily
        return
    known = set(ORDER[: ORDER.index(room) + (not path.parent.samefile(ROOT / "counters"))])
    assert rooms(path, "counters") <= known


@pytest.mark.parametrize("path", modules("counters"), ids=str)
def test_counters_know_no_server_and_no_site(path: Path) -> None:
    roots = {name.split(".")[0] for name in imports(path)}
    assert not roots & {"gunicorn", "uvicorn", "uvicorn_worker", "incrementer_site", "tests"}
    if room_of(path) in WITHOUT_DJANGO:
        assert "django" not in roots


@pytest.mark.parametrize("path", modules("counters") + modules("incrementer_site"), ids=str)
def test_frameworks_stay_in_their_rooms(path: Path) -> None:
    place = path.relative_to(ROOT)
    for name in imports(path):
        if name.startswith("django.http"):
            assert place.parts[:2] == ("counters", "web"), name
        is_master = place.parts == ("incrementer_site", "listeners.py")
        if name.split(".")[0] == "gunicorn" and is_master:
            continue
        if name.split(".")[0] in ("uvicorn", "uvicorn_worker", "gunicorn", "httptools"):
            assert place.parts[:2] == ("incrementer_site", "lane"), name


@pytest.mark.parametrize("path", modules("incrementer_site/lane"), ids=str)
def test_the_lane_comes_in_by_the_front_door(path: Path) -> None:
    allowed = {"increments", "identified", "journal", "receipt", "recorder", "web", "config"}
    assert rooms(path, "counters") <= allowed
    for name in imports(path):
        if name.startswith("counters.journal."):
            assert name == "counters.journal.JournalUnwritable"
