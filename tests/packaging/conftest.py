"""Fixtures: the wheel, an environment that has it, and somebody else's project there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging.environment import build_wheel, make_environment
from tests.packaging.project import Project, make_project


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """The Python of a new environment with the wheel, what it needs, and gunicorn."""
    return make_environment(tmp_path_factory.mktemp("environment"), wheel)


@pytest.fixture(scope="session")
def first_project(tmp_path_factory: pytest.TempPathFactory, python: Path) -> Project:
    """Made once; tests have copies, for Django takes a second to make one and to migrate it."""
    return make_project(tmp_path_factory.mktemp("project"), python)


@pytest.fixture(scope="session")
def first_migrated_project(
    tmp_path_factory: pytest.TempPathFactory, first_project: Project
) -> Project:
    project = first_project.copy(tmp_path_factory.mktemp("migrated"))
    project.manage("migrate")
    return project


@pytest.fixture
def new_project(tmp_path: Path, first_project: Project) -> Project:
    """A new project that has the counters in its settings and no database yet."""
    return first_project.copy(tmp_path)


@pytest.fixture
def project(tmp_path: Path, first_migrated_project: Project) -> Iterator[Project]:
    """A new project that has the counters in its settings, migrated."""
    project = first_migrated_project.copy(tmp_path)
    yield project
    project.kill()
