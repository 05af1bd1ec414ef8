"""Fixtures of tests that count in pytest's own process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from counters.recorder import stop_recorder


@pytest.fixture
def counting(tmp_path: Path, settings: Any) -> Iterator[None]:
    """A new recorder for each test, which flushes nothing."""
    settings.COUNTERS = {"JOURNAL_DIR": tmp_path / "journal", "FLUSH_INTERVAL": 3600}
    stop_recorder()
    yield
    stop_recorder()
