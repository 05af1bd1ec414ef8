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
