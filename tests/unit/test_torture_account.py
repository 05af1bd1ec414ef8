"""The account of `make torture` finds increments that are lost or double."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.torture.account import NO_RESET, Request, Reset, account, judge, possible_resets

REQUESTS = [
    Request(sent=1, answered=2, status=200, increments=[("key", 1)]),
    Request(sent=3, answered=4, status=0, increments=[("key", 1)]),
    Request(sent=5, answered=6, status=503, increments=[("key", 1)]),
    Request(sent=11, answered=12, status=200, increments=[("key", 1)]),
]


@pytest.mark.parametrize(
    ("total", "lost", "double"), [(1, 1, 0), (2, 0, 0), (3, 0, 0), (4, 0, 1), (0, 2, 0)]
)
def test_what_was_acknowledged_has_to_count_and_what_was_refused_must_not(
    total: int, lost: int, double: int
) -> None:
    verdict = account(REQUESTS, {"key": total})
    assert (verdict.lost, verdict.double) == (lost, double)


@pytest.mark.parametrize(
    ("resets", "possible"),
    [
        ([Reset(7, 8)], [Reset(7, 8)]),
        ([Reset(7, 8, certain=False)], [NO_RESET, Reset(7, 8, certain=False)]),
        ([Reset(1, 2), Reset(7, 8)], [Reset(7, 8)]),
        ([Reset(7, 8), Reset(1, 2)], [Reset(7, 8)]),
        (
            [Reset(7, 8), Reset(9, 10, certain=False)],
            [Reset(7, 8), Reset(9, 10, certain=False)],
        ),
    ],
)
def test_a_reset_that_succeeded_leaves_no_doubt_and_one_that_was_killed_does(
    resets: list[Reset], possible: list[Reset]
) -> None:
    assert possible_resets(resets) == possible


def test_a_replaced_database_may_undo_a_reset() -> None:
    assert possible_resets([Reset(7, 8)], replaced=9) == [NO_RESET, Reset(7, 8)]


def test_half_a_reset_is_seen() -> None:
    requests = [
        Request(sent=1, answered=2, status=200, increments=[(key, 1)]) for key in ("one", "other")
    ]
    killed = Reset(7, 8, certain=False)

    def wrong(totals: Mapping[str, int]) -> int:
        return judge(requests, [totals], possible_resets([killed])).wrong

    assert wrong({"one": 1, "other": 1}) == wrong({}) == 0
    assert wrong({"one": 1}) == 1
