"""The account of `make torture` finds increments that are lost or double."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.torture.account import (
    NO_RESET,
    Request,
    Reset,
    account,
    judge,
    possible_resets,
    unanswered,
)

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


def tried(*statuses: int, sent: float = 1) -> list[Request]:
    """Return the tries of one request, a second from one to the next."""
    return [
        Request(sent + number, sent + number + 0.5, status, [("key", 1)], "id")
        for number, status in enumerate(statuses)
    ]


@pytest.mark.parametrize(
    ("tries", "least", "most"),
    [
        (tried(200), 1, 1),
        (tried(0, 500, 200), 1, 1),
        (tried(200, 200), 1, 1),
        (tried(0, 503), 0, 1),
        (tried(503, 503), 0, 0),
        (tried(0, 0, 200, sent=7), 0, 1),  # the reset is in the middle
        (tried(200, 200, sent=2), 0, 0),  # and here behind it
    ],
)
def test_all_tries_of_a_request_with_an_id_are_one(
    tries: list[Request], least: int, most: int
) -> None:
    reset = Reset(8, 8.1) if tries[0].sent > 1 else NO_RESET
    for total in range(3):
        verdict = account(tries, {"key": total}, reset)
        assert verdict.lost == max(0, least - total)
        assert verdict.double == max(0, total - most)


def test_a_request_with_an_id_is_left_until_it_is_answered() -> None:
    assert unanswered(tried(0, 503, 200) + REQUESTS) == []
    assert unanswered(tried(0, 503) + REQUESTS) == tried(0, 503)[1:]


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
