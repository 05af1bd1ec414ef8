"""An increment is not part of its caller's transaction, unless the caller uses `on_commit`."""

from __future__ import annotations

from tests.packaging.project import Project

ROLL_BACK = """
from contextlib import suppress
from django.db import transaction

class Failed(Exception):
    pass
"""


def test_a_rollback_does_not_take_an_increment_back(project: Project) -> None:
    project.script(f"""{ROLL_BACK}
with suppress(Failed), transaction.atomic():
    counters.increment("tried", 1)
    raise Failed
""")
    assert project.totals() == {"tried": 1}


def test_on_commit_counts_only_what_was_committed(project: Project) -> None:
    project.script(f"""{ROLL_BACK}
with suppress(Failed), transaction.atomic():
    transaction.on_commit(lambda: counters.increment("signup", 1))
    raise Failed
with transaction.atomic():
    transaction.on_commit(lambda: counters.increment("signup", 10))
""")
    assert project.totals() == {"signup": 10}


def test_counts_inside_a_long_transaction(project: Project) -> None:
    """The caller holds the database's lock, so the flush has to wait, but the caller does not."""
    project.script("""
from django.contrib.auth.models import User
from django.db import transaction
from time import monotonic

with transaction.atomic():
    User.objects.create(username="ann")
    began = monotonic()
    while monotonic() < began + 1:  # several flushes' time
        counters.increment("signup", 1)
    counters.increment_many({"a": 2, "b": -1})
""")
    totals = project.totals()
    assert totals.pop("signup") > 0
    assert totals == {"a": 2, "b": -1}
