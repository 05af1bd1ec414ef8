"""Which module may import which under tests/."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent
ROOT = TESTS.parent


def imported(source: str, package: str) -> set[str]:
    """Return the full names of all that a module in `package` imports, and of their parts."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level]
            module = ".".join([*(above if node.level else []), *filter(None, [node.module])])
            names |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return names


def belongs_to_a_test(name: str) -> bool:
    """Whether a module is one of pytest's: a test module, or a conftest."""
    first, *others = name.split(".")
    return first == "tests" and any(
        part.startswith("test_") or part == "conftest" for part in others
    )


def belongs_to_the_product(name: str) -> bool:
    return name.split(".")[0] in {"counters", "incrementer_site"}


def imports_under(folder: Path, pattern: str = "*.py") -> Iterator[tuple[str, set[str]]]:
    """Yield the path of each module from the root, and what it imports."""
    for path in sorted(folder.rglob(pattern)):
        package = ".".join(path.parent.relative_to(ROOT).parts)
        yield str(path.relative_to(ROOT)), imported(path.read_text(), package)


def test_no_module_imports_a_test_or_a_conftest() -> None:
    found = {path: set(filter(belongs_to_a_test, names)) for path, names in imports_under(TESTS)}
    assert len(found) > 50
    assert {path: names for path, names in found.items() if names} == {}


def test_the_test_bed_and_the_torture_reach_into_the_product_in_few_places() -> None:
    reaching = {
        path
        for folder in (TESTS / "testbed", TESTS / "torture")
        for path, names in imports_under(folder)
        if any(map(belongs_to_the_product, names))
    }
    allowed = {"tests/torture/saboteur.py", "tests/testbed/lane_client.py"}
    assert {path for path in reaching if "/configs/" not in path} == allowed


def test_the_test_bed_knows_none_of_its_users() -> None:
    users = ("tests.torture", "tests.fuzz", "tests.conformance", "tests.packaging", "benchmarks")
    for path, names in imports_under(TESTS / "testbed"):
        assert not [name for name in names if name.startswith(users)], path


@pytest.mark.parametrize(
    ("source", "package"),
    [
        ("import tests.test_api", "tests"),
        ("from tests.test_api import one", "tests"),
        ("from tests import conftest", "tests"),
        ("from . import test_api", "tests"),
        ("from .test_api import one", "tests"),
        ("from ..conftest import service", "tests.unit"),
        ("def late():\n    from tests.conftest import service", "tests"),
    ],
)
def test_every_form_of_import_is_seen(source: str, package: str) -> None:
    assert any(map(belongs_to_a_test, imported(source, package)))
