"""A project counts from many places and is killed: each acknowledged increment counts once."""

from __future__ import annotations

import pytest

from tests.packaging.books import Caller, acknowledged_by_command, check
from tests.packaging.project import Project
from tests.testbed.waiting import wait_for

GUNICORN = ("-m", "gunicorn", "--workers", "2", "--bind", "127.0.0.1:{port}", "shop.wsgi")
RUNSERVER = ("manage.py", "runserver", "127.0.0.1:{port}")
ENOUGH = 50
"""The kill comes once each place has so many acknowledged increments."""


@pytest.mark.parametrize("arguments", [GUNICORN, RUNSERVER], ids=["gunicorn", "runserver"])
def test_finds_what_views_threads_and_commands_counted(
    project: Project, arguments: tuple[str, ...]
) -> None:
    server, port = project.serve(*arguments)
    command = project.start("manage.py", "countforever")
    callers = [Caller(port, view, f"{view}{n}") for view in ("view", "thread") for n in (1, 2)]
    wait_for(
        lambda: (
            all(len(caller.acknowledged) >= ENOUGH for caller in callers)
            and len(acknowledged_by_command(command)) >= ENOUGH
            and len(project.totals()) >= ENOUGH  # so some are in the table and some are not
        ),
        "every place to count",
        lambda: f"{server.log()}\n{command.log()}",
    )
    server.kill()
    command.kill()
    for caller in callers:
        caller.join()
    assert [caller.failures for caller in callers] == [[]] * len(callers)
    project.manage("flushnumbers")
    by_callers = [key for caller in callers for key in caller.acknowledged]
    check(project, by_callers + acknowledged_by_command(command))
    assert not list(project.journals.glob("*.corrupt"))


def test_finds_what_forked_children_counted(project: Project) -> None:
    """A child leaves without the flush at exit, as children of `multiprocessing` do."""
    project.script("""
from multiprocessing import get_context

def child(number):
    counters.increment("child", 1)
    counters.increment(f"child {number}", 1)

counters.increment("parent", 1)
children = [get_context("fork").Process(target=child, args=[number]) for number in range(3)]
for process in children:
    process.start()
for process in children:
    process.join()
counters.increment("parent", 1)
""")
    project.manage("flushnumbers")
    each = {f"child {number}": 1 for number in range(3)}
    assert project.totals() == {"parent": 2, "child": 3, **each}
