"""Tests that run programs which are no part of the project."""

from __future__ import annotations

import os
import shutil

import pytest


def needs(*programs: str) -> pytest.MarkDecorator:
    """Skip a test, loudly, where a program is missing; where CI is set, let it fail."""
    missing = [program for program in programs if not shutil.which(program)]
    return pytest.mark.skipif(
        bool(missing) and "CI" not in os.environ,
        reason=f"NOT TESTED, for want of {' and '.join(missing)}: install and run again",
    )
