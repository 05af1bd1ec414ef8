"""Programs that some tests need and that are not part of the project."""

from __future__ import annotations

import os
import shutil

import pytest


def needs(*programs: str) -> pytest.MarkDecorator:
    """Skip a test where one of `programs` is not installed; where CI is set, run it: it fails."""
    missing = [program for program in programs if not shutil.which(program)]
    return pytest.mark.skipif(
        bool(missing) and "CI" not in os.environ,
        reason=f"NOT TESTED: {' and '.join(missing)} not installed",
    )
