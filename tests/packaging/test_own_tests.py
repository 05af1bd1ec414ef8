"""A project that counts can run its own tests, and they do not change its totals."""

from __future__ import annotations

import pytest

from tests.packaging.project import Project

TESTS = """
from django.test import {case}

class SignUpTest({case}):
    def test_counts(self):
        self.assertEqual(self.client.get("/view/tested").status_code, 200)
"""


@pytest.mark.parametrize("case", ["TestCase", "TransactionTestCase"])
def test_what_tests_count_never_reaches_the_real_totals(project: Project, case: str) -> None:
    """Django gives tests a database of their own, in memory; the journals' folder is the real one.

    So what a test counts must not be in the real database, nor in a real journal, from where the
    next flush would add it to the totals.
    """
    (project.folder / "shop" / "tests.py").write_text(TESTS.format(case=case))
    project.manage("test")
    project.manage("flushnumbers")
    assert project.totals() == {}


LOOKING = """
from django.core.management import call_command
from django.test import {case}
from counters.models import Number
import counters

class SignUpTest({case}):
    def setUp(self):
        call_command("resetnumbers", "--noinput", verbosity=0)

    def check(self, value):
        counters.increment("signup", value)
        call_command("flushnumbers")
        self.assertEqual(dict(Number.objects.values_list("key", "value")), {{"signup": value}})

    def test_one(self):
        self.check(1)

    def test_two(self):
        self.check(2)

    def test_unflushed(self):
        counters.increment("pending")
"""


@pytest.mark.parametrize("case", ["TestCase", "TransactionTestCase"])
def test_a_test_that_resets_first_sees_what_it_counts_alone(project: Project, case: str) -> None:
    (project.folder / "shop" / "tests.py").write_text(LOOKING.format(case=case))
    for order in ("--reverse", "--shuffle=1"):
        project.manage("test", order)
