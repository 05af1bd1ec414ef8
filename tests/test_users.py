"""A service whose files are another user's says so before the first request, in a sentence."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.testbed.commands import GUNICORN, MANAGE, ROOT
from tests.testbed.service import Service

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 and "CI" not in os.environ,
    reason="NOT TESTED: only root can give files to other users",
)

NOBODY = 65534
WITHOUT_RIGHTS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner")
"""Takes from root the right to use the files of other users."""
DATABASE_CHECK = (*MANAGE, "check", "--database", "default")


def close(*paths: Path) -> None:
    """Give files and folders to another user, and to that one alone."""
    for path in paths:
        path.chmod(0o700 if path.is_dir() else 0o600)
        os.chown(path, NOBODY, NOBODY)


def start(service: Service, *options: str, cwd: Path = ROOT) -> str:
    """Return what gunicorn says that does not start."""
    done = subprocess.run(
        [*WITHOUT_RIGHTS, *GUNICORN, *options],
        cwd=cwd,
        env=service.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    assert "Booting worker" not in said
    return said


def beside(service: Service, suffix: str) -> Path:
    path = service.database.with_name(service.database.name + suffix)
    path.touch()
    return path


@pytest.mark.parametrize(
    ("closed", "named"),
    [
        (lambda service: service.database, "numbers.db"),
        (lambda service: beside(service, "-wal"), "numbers.db-wal"),
        (lambda service: beside(service, "-shm"), "numbers.db-shm"),
        (lambda service: service.folder, "DATABASE_URL"),
        (lambda service: service.journal_dir, "JOURNAL_DIR"),
    ],
    ids=["database", "-wal", "-shm", "folder of the database", "folder of the journals"],
)
def test_files_of_another_user_stop_the_start(
    tmp_path: Path, closed: Callable[[Service], Path], named: str
) -> None:
    service = Service(tmp_path / "service")
    service.journal_dir.mkdir()
    close(closed(service))
    said = start(service)
    assert named in said
    assert "user root" in said
    assert "chown" in said


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project, with a `.secret_key` of its own."""
    project = tmp_path / "project"
    for name in ("counters", "incrementer_site"):
        shutil.copytree(ROOT / name, project / name)
    for name in ("manage.py", "gunicorn.conf.py"):
        shutil.copy(ROOT / name, project)
    return project


@pytest.mark.parametrize("state", ["closed", "empty", "closed folder"])
def test_a_secret_key_that_is_of_no_use_stops_the_start(
    tmp_path: Path, project: Path, state: str
) -> None:
    service = Service(tmp_path / "service")
    del service.environment["DJANGO_SECRET_KEY"]
    key = project / ".secret_key"
    if state != "closed folder":
        key.write_text("" if state == "empty" else "secret")
    if state == "closed":
        close(key)
    elif state == "closed folder":
        project.chmod(0o755)
        os.chown(project, NOBODY, NOBODY)
    said = start(service, cwd=project)
    assert str(key) in said
    assert "DJANGO_SECRET_KEY" in said
    assert ("user root" in said) == (state != "empty")


def test_the_checks_are_those_of_the_user_who_will_serve(tmp_path: Path) -> None:
    service = Service(tmp_path / "service")
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:2]:  # pytest's folders are closed to others
        parent.chmod(0o755)
    said = subprocess.run(
        [*GUNICORN, "--user", str(NOBODY), "--group", str(NOBODY)],
        cwd=ROOT,
        env=service.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    told = said.stdout + said.stderr
    assert said.returncode == 1, told
    assert "Traceback" not in told
    # The interpreter itself may be closed to that user, as root's home is.
    assert "The user nobody may not" in told or "cannot run" in told
