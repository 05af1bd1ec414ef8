"""A total in a few characters, as on a badge."""

from __future__ import annotations

import pytest

from counters.web.badge import short


@pytest.mark.parametrize(
    ("total", "shown"),
    [
        (0, "0"),
        (-1, "-1"),
        (999, "999"),
        (1000, "1k"),
        (1099, "1k"),
        (1100, "1.1k"),
        (-1234, "-1.2k"),
        (34_567, "34.5k"),
        (99_999, "99.9k"),
        (123_456, "123k"),
        (999_999, "999k"),
        (1_000_000, "1M"),
        (3_400_000, "3.4M"),
        (2**63 - 1, "9.2E"),
        (-(2**63), "-9.2E"),
    ],
)
def test_a_total_is_short_and_never_more_than_it_is(total: int, shown: str) -> None:
    assert short(total) == shown
