"""The memory of what is pending: it is counted right, whatever becomes of flushes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from sys import getsizeof

import pytest

from counters import own_journal
from counters.buffer import Buffer
from counters.deltas import MAX_ENTRY_BYTES
from counters.increments import Batch, Increment
from counters.pending import Pending

LIMIT_BYTES = 2**20
ALPHABETS = ["ab", "aé", "中a", "a🦊"]


@pytest.fixture
def buffer(tmp_path: Path) -> Iterator[Buffer]:
    buffer = Buffer(
        tmp_path, max_pending_keys=10**6, max_pending_bytes=LIMIT_BYTES, max_journal_bytes=2**30
    )
    yield buffer
    buffer.close()


def entries_bytes(keys: set[str]) -> int:
    return sum(getsizeof(key) + 100 for key in keys)


def begin_flush(buffer: Buffer) -> Pending | None:
    if leftover := buffer.take_leftover():
        return leftover
    found = buffer.flushed_until()
    return buffer.take(found[0]) if found else None


class Interruption(BaseException):
    """What a signal handler may raise."""


def interrupt(buffer: Buffer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupt an increment, and have the next one find that out."""

    def write(fd: int, data: bytes) -> int:
        raise Interruption

    buffer.record([Increment("before", 1)])
    with monkeypatch.context() as patch, suppress(Interruption):
        patch.setattr(os, "write", write)
        buffer.record([Increment("interrupted", 1)])
    buffer.record([Increment("after", 1)])


class Model:
    """What a buffer should hold."""

    def __init__(self) -> None:
        self.recent: set[str] = set()
        self.taken: set[str] = set()

    def check(self, buffer: Buffer) -> None:
        state = buffer.state()
        assert state.pending_keys == len(self.recent) + len(self.taken)
        assert state.memory_bytes == entries_bytes(self.recent) + entries_bytes(self.taken)


def record_some(buffer: Buffer, chance: Random, model: Model) -> None:
    alphabet = chance.choice(ALPHABETS)
    lengths = chance.choices([1, 2, 3, 200, 255], k=chance.choice([1, 1, 20, 1500]))
    keys = ["".join(chance.choices(alphabet, k=min(length, 12))) for length in lengths]
    requests = [Increment(key, 1) for key in keys]
    receipt = buffer.record([Batch(requests)] if chance.random() < 0.5 else requests)
    assert not receipt.refused
    model.recent.update(keys)


@pytest.mark.parametrize("seed", range(8))
def test_the_count_is_that_of_all_keys_in_memory(
    buffer: Buffer, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = Random(seed)
    model = Model()
    for _ in range(60):
        record_some(buffer, chance, model)
        if chance.random() < 0.5:  # to look makes it count
            model.check(buffer)
        rotates = chance.random() < 0.3
        monkeypatch.setattr(own_journal, "_ROTATION_BYTES", -1 if rotates else 2**40)
        pending = begin_flush(buffer)
        assert pending is not None
        if not model.taken:  # else it is the leftover
            model.recent, model.taken = set(), model.recent
        model.check(buffer)
        if chance.random() < 0.7:
            record_some(buffer, chance, model)
        was_left = chance.random() < 0.1
        if was_left:
            interrupt(buffer, monkeypatch)
            model.recent = {"after"}
            model.check(buffer)
        if chance.random() < 0.7:
            buffer.flushed(pending)
            model.taken = set()
        else:
            buffer.give_back(pending)
            if not pending.is_last:
                if not was_left:
                    model.recent |= model.taken
                model.taken = set()
        model.check(buffer)
        buffer.tend_journal(None)


@pytest.mark.parametrize("letter", ["a", "🦊"])
def test_keys_are_accepted_up_to_the_limit_and_again_after_a_flush(
    buffer: Buffer, letter: str
) -> None:
    for _ in range(3):
        keys: set[str] = set()
        while not buffer.record(
            [Increment(key := f"{len(keys):06}".ljust(255, letter), 1)]
        ).refused:
            keys.add(key)
        state = buffer.state()
        assert LIMIT_BYTES - MAX_ENTRY_BYTES < state.memory_bytes <= LIMIT_BYTES
        assert state.memory_bytes == entries_bytes(keys)
        assert str(LIMIT_BYTES) in state.refusal
        refused = buffer.record([Increment(key, 1), Increment(min(keys), 1)]).refused
        assert [(place, getattr(limit, "setting", None)) for place, limit in refused.items()] == [
            (0, "MAX_PENDING_BYTES")
        ]
        pending = begin_flush(buffer)
        assert pending is not None
        assert buffer.record([Increment(key, 1)]).refused  # what a flush has taken is in memory
        buffer.flushed(pending)
        assert buffer.state().memory_bytes == 0


class WatchedLock:
    """A lock that calls a function once, after it has been released for the second time."""

    def __init__(self, lock, then) -> None:  # type: ignore[no-untyped-def]
        self._lock, self._then, self._releases = lock, then, 0

    def _is_owned(self) -> bool:
        return bool(self._lock._is_owned())

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        self._releases += 1
        if self._releases == 2:
            self._then()


def test_a_journal_that_is_left_while_deltas_are_given_back_keeps_them(
    buffer: Buffer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file has them all. To keep them in memory, too, would count them twice."""
    buffer.record([Increment("taken", 1)])
    pending = begin_flush(buffer)
    assert pending is not None
    buffer.record([Increment(str(number), 1) for number in range(2500)])
    lock = buffer._lock
    with monkeypatch.context() as patch:
        watched = WatchedLock(lock, lambda: interrupt(buffer, monkeypatch))
        patch.setattr(buffer, "_lock", watched)
        buffer.give_back(pending)
    assert buffer.state().pending_keys == 1
    pending = begin_flush(buffer)
    assert pending is not None
    assert pending.deltas.sums == {"after": 1}
