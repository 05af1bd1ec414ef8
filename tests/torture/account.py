"""The account: it compares the totals with what the clients were told."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_NO_ANSWER, _FAILED = 0, 500


@dataclass(frozen=True, slots=True)
class Request:
    """What became of one request."""

    sent: float
    """When it was sent, in seconds of the system's monotonic clock, as all times here."""
    answered: float
    status: int
    increments: list[tuple[str, int]]
    """The key and value of each."""
    id: str = ""
    """Its id, which it has in common with other tries; empty: it has none, and was sent once."""


@dataclass(frozen=True, slots=True)
class Reset:
    """When a reset was started, and when it had returned."""

    began: float = -math.inf
    ended: float = -math.inf
    certain: bool = True
    """Whether it said that it succeeded. If not, it has reset everything or nothing."""


NO_RESET = Reset()


@dataclass(frozen=True, slots=True)
class Verdict:
    acknowledged: int = 0
    """Increments answered with 200."""
    unanswered: int = 0
    """Increments that may count or not: their client got no answer, or a 500."""
    refused: int = 0
    lost: int = 0
    """Increments that had to count and did not."""
    double: int = 0
    """Increments that counted and must not: a second time, or refused, or deleted by a reset."""
    stale: int = 0
    """Fresh totals that were not what they had to be."""

    @property
    def wrong(self) -> int:
        return self.lost + self.double + self.stale


def read_requests(path: Path, start: int = 0) -> Iterator[Request]:
    """Yield the requests of a ledger of `tests.torture.client`, from its byte `start` on."""
    for line in _whole_lines(path, start):
        yield Request(*json.loads(line))


def count_stale(path: Path) -> int:
    """Return how many fresh totals, of those that a client was told, cannot be right."""
    reads = path.with_name(f"{path.name}.reads")
    if not reads.exists():  # a process that only counts
        return 0
    lines = map(json.loads, _whole_lines(reads))
    return sum(not least <= told <= most for least, most, told in lines)


def read_resets(path: Path) -> Iterator[Reset]:
    """Yield the resets of a ledger of `tests.torture.commander`."""
    for line in _whole_lines(path):
        name, began, ended, success = json.loads(line)
        if name == "resetnumbers":
            yield Reset(began, ended, success)


def _whole_lines(path: Path, start: int = 0) -> Iterator[bytes]:
    with path.open("rb") as lines:
        if start:  # it may be in the middle of a line
            lines.seek(start - 1)
            lines.readline()
        for line in lines:
            if line.endswith(b"\n"):  # the last one may be half written
                yield line


def possible_resets(resets: Iterable[Reset], replaced: float = -math.inf) -> list[Reset]:
    """Return the resets of which each may be the last one that took effect.

    Example: reset A succeeded; after it, reset B was killed. If B took effect, it is the last; if
    not, A is. So both are returned.

    When the database was `replaced`, that may have undone the resets that had begun before.
    """
    possible = [NO_RESET]
    for reset in sorted(resets, key=lambda reset: reset.ended):
        if reset.certain and reset.began > replaced:
            possible = [other for other in possible if other.ended > reset.began]
        possible.append(reset)
    return possible


def judge(
    requests: Collection[Request],
    states: Collection[Mapping[str, int]],
    resets: Collection[Reset],
    durable_until: float = math.inf,
) -> Verdict:
    """Return the worst verdict on any of `states` of the totals.

    It is not known which of `resets` was the last. So each of them has a worst verdict, and the
    best of these counts: with a reset that was not the last, right totals would look wrong.
    """
    return min(
        (
            max((account(requests, state, reset, durable_until) for state in states), key=_wrong)
            for reset in resets
        ),
        key=_wrong,
    )


def _wrong(verdict: Verdict) -> int:
    return verdict.wrong


def account(
    requests: Iterable[Request],
    totals: Mapping[str, int],
    reset: Reset = NO_RESET,
    durable_until: float = math.inf,
) -> Verdict:
    """Compare the totals with the requests, key by key.

    1. An increment must count if it was sent after the reset, and acknowledged, no later than
       `durable_until`.
    2. It may count if it was acknowledged after the reset began.
    3. It may count if its client got no answer, or a 500.
    4. No other increment may count.

    All tries of a request with an id are one: it must count if that holds for each of them that was
    acknowledged, and all were sent after the reset; it may if that holds for any.
    """
    must: defaultdict[str, int] = defaultdict(int)
    may: defaultdict[str, int] = defaultdict(int)
    by_status: Counter[int] = Counter()
    for tries in _by_id(requests):
        acknowledged = [each for each in tries if each.status == 200]
        request = acknowledged[0] if acknowledged else tries[-1]
        by_status[request.status] += len(request.increments)
        has_to = (
            bool(acknowledged)
            and min(each.sent for each in tries) > reset.ended
            and min(each.answered for each in acknowledged) <= durable_until
        )
        unknown = any(each.status in (_NO_ANSWER, _FAILED) for each in tries)
        can = unknown or any(each.answered >= reset.began for each in acknowledged)
        for key, value in request.increments:
            must[key] += abs(value) * has_to
            may[key] += abs(value) * can
    lost = double = 0
    for key in may.keys() | totals.keys():
        total = -totals.get(key, 0) if key.startswith("-") else totals.get(key, 0)
        lost += max(0, must[key] - total)
        double += max(0, total - may[key])
    unanswered = by_status.pop(_NO_ANSWER, 0) + by_status.pop(_FAILED, 0)
    acknowledged_increments = by_status.pop(200, 0)
    return Verdict(acknowledged_increments, unanswered, by_status.total(), lost, double)


def _by_id(requests: Iterable[Request]) -> Iterator[list[Request]]:
    """Yield the tries of each request."""
    tries: defaultdict[str, list[Request]] = defaultdict(list)
    for request in requests:
        if request.id:
            tries[request.id].append(request)
        else:
            yield [request]
    yield from tries.values()


def unanswered(requests: Iterable[Request]) -> list[Request]:
    """Return the last try of each request with an id of which none was answered with 200."""
    return [
        tries[-1]
        for tries in _by_id(requests)
        if tries[-1].id and not any(each.status == 200 for each in tries)
    ]
