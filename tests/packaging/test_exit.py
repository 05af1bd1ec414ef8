"""A process that has counted flushes by itself when it ends normally."""

from __future__ import annotations

import signal

import pytest

from tests.packaging.project import Project
from tests.testbed.requests import send_request

SELDOM = 'COUNTERS["FLUSH_INTERVAL"] = 3600'
"""No flush comes in time but the one at the process's end."""
COUNTED = {"a": 2, "b": -1, "first": 1, "signup": 1}


@pytest.fixture
def project(project: Project) -> Project:
    project.add_settings(SELDOM)
    return project


@pytest.mark.parametrize("ending", ["", "import sys; sys.exit()"])
def test_a_script_flushes_at_its_end(project: Project, ending: str) -> None:
    project.script(f"""
counters.increment("signup", 1)
counters.increment_many({{"a": 2, "b": -1}})
{ending}
""")
    assert project.totals() == {"a": 2, "b": -1, "signup": 1}


def test_a_script_flushes_when_it_fails(project: Project) -> None:
    project.manage("shell", "-c", "import counters; counters.increment('a', 1); 1 / 0", code=1)
    assert project.totals() == {"a": 1}


def test_gunicorn_flushes_at_sigterm(project: Project) -> None:
    server, port = project.serve("-m", "gunicorn", "--bind", "127.0.0.1:{port}", "shop.wsgi")
    assert send_request(port, "GET", "/view/first").status == 200
    server.stop()
    assert project.totals() == COUNTED


def test_runserver_flushes_at_control_c(project: Project) -> None:
    server, port = project.serve("manage.py", "runserver", "127.0.0.1:{port}")
    assert send_request(port, "GET", "/view/first").status == 200
    server.stop(signal.SIGINT, to_all=True)
    assert project.totals() == COUNTED
