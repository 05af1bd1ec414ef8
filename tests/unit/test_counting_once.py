"""A request with an id counts once, whichever processes get it and whatever becomes of these."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from django.db import OperationalError

from counters import own_journal, totals
from counters.buffer import Buffer
from counters.flusher import Flusher
from counters.identified import ID_REUSED, identified
from counters.identity import totals_ids
from counters.increments import Batch, Increment
from counters.journal_folder import OpenJournal
from counters.models import Number, Position, RequestId
from counters.recovery import flush_journals, recover_journals
from counters.resetting import reset
from counters.room import Limit

pytestmark = pytest.mark.django_db(transaction=True)


class Process:
    """A process that counts, and flushes when it is told to."""

    def __init__(self, folder: Path, max_keys: int = 100_000) -> None:
        self.buffer = Buffer(
            folder, max_pending_keys=max_keys, max_pending_bytes=2**30, max_journal_bytes=2**30
        )
        self.flusher = Flusher(self.buffer, folder, interval_seconds=3600)

    def send(self, id_: str, request: Increment | Batch) -> None:
        assert not self.buffer.record([identified(id_, request)]).refused

    def flush(self) -> None:
        self.flusher.flush()


Start = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    processes = []

    def begin(folder: str = "node", **limits: int) -> Process:
        processes.append(Process(tmp_path / folder, **limits))
        return processes[-1]

    yield begin
    for process in processes:
        process.buffer.close()


def counted() -> dict[str, int]:
    return dict(Number.objects.values_list("key", "value"))


def batch(**increments: int) -> Batch:
    pairs = [Increment(key, value) for key, value in increments.items()]
    return Batch(pairs, msgspec.json.encode(pairs))


def damage(journal: Path, end: int) -> None:
    """Damage the record that ends there."""
    with journal.open("r+b") as file:
        file.seek(end - 5)
        file.write(b"\xff")


@pytest.mark.parametrize("request_", [Increment("a", 3), batch(a=1, b=2)], ids=["one", "batch"])
def test_however_often_and_wherever_it_comes(start: Start, request_: Increment | Batch) -> None:
    one, other, elsewhere = start(), start(), start("another node")
    for _ in range(3):
        one.send("id", request_)
    one.flush()
    one.send("id", request_)
    other.send("id", request_)
    elsewhere.send("id", request_)
    for process in elsewhere, other, one, one:
        process.flush()
    assert counted() == ({"a": 3} if isinstance(request_, Increment) else {"a": 1, "b": 2})


def test_other_ids_and_none_count_beside_it(start: Start) -> None:
    process = start()
    plain = Increment("a", 1)
    process.buffer.record([plain, identified("x", plain), plain, identified("y", plain)])
    process.buffer.record([identified("x", plain), batch(a=10), identified("z", batch(a=100))])
    process.flush()
    assert counted() == {"a": 1 + 1 + 1 + 1 + 10 + 100}


@pytest.mark.parametrize("rotates", [False, True])
def test_a_flush_that_fails_counts_it_neither_twice_nor_never(
    start: Start, monkeypatch: pytest.MonkeyPatch, rotates: bool
) -> None:
    process = start()
    if rotates:
        monkeypatch.setattr(own_journal, "_ROTATION_BYTES", 0)
    add = totals.add_to_totals

    def fail_once(*_: Any) -> None:
        monkeypatch.setattr(totals, "add_to_totals", add)
        process.send("x", Increment("a", 1))
        process.send("y", Increment("a", 1))
        raise OperationalError("once")

    process.send("x", Increment("a", 1))
    monkeypatch.setattr(totals, "add_to_totals", fail_once)
    process.flush()
    assert counted() == {}
    process.flush()
    assert counted() == {"a": 2}


def test_a_process_that_died_had_it_too(start: Start, tmp_path: Path) -> None:
    dead, living = start(), start()
    dead.send("x", Increment("a", 1))
    dead.send("y", batch(b=1))
    dead.buffer.close()
    living.send("x", Increment("a", 1))
    living.flush()
    recover_journals(tmp_path / "node", totals_ids().accepted, set())
    assert counted() == {"a": 1, "b": 1}


@pytest.mark.parametrize("is_flushed", [False, True])
@pytest.mark.parametrize("lives", [False, True])
def test_what_was_reset_does_not_come_back_with_a_retry(
    start: Start, tmp_path: Path, is_flushed: bool, lives: bool
) -> None:
    first, other = start(), start()
    first.send("x", Increment("a", 1))
    if is_flushed:
        first.flush()
    if not lives:
        first.buffer.close()
    reset(tmp_path / "node")
    other.send("x", Increment("a", 1))
    if lives:
        first.send("x", Increment("a", 1))
    for process in other, first:
        process.flush()
    assert counted() == {}


def test_what_comes_while_a_reset_looks_at_its_journal_counts(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reset knows the ids of what it skips, and of nothing that comes behind it."""
    process = start()
    process.send("before", Increment("a", 1))
    size = OpenJournal.size

    def size_and_one_more(journal: OpenJournal) -> int:
        found: int = size.fget(journal)  # type: ignore[attr-defined]
        process.send("meanwhile", Increment("a", 10))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(OpenJournal, "size", property(size_and_one_more))
        reset(tmp_path / "node")
    for id_ in "before", "meanwhile":
        process.send(id_, Increment("a", 1 if id_ == "before" else 10))
    process.flush()
    assert counted() == {"a": 10}


@pytest.mark.parametrize("lives", [True, False])
def test_a_reset_knows_the_ids_behind_damage(start: Start, tmp_path: Path, lives: bool) -> None:
    first, other = start(), start()
    for number in range(4):
        end = first.buffer.record([identified(str(number), Increment("a", 10**number))]).end
        if number == 1:
            damaged_end = end
    (journal,) = (tmp_path / "node").glob("*.journal")
    damage(journal, damaged_end)
    if not lives:
        first.buffer.close()
    reset(tmp_path / "node")
    for number in range(4):
        other.send(str(number), Increment("a", 10**number))
    other.flush()
    assert counted() == {"a": 10}


def test_of_two_ids_with_one_digest_one_counts_once(start: Start) -> None:
    """Who knows an id can make a UUID that has its digest: no retry may count for that."""
    process = start()
    twin = str(UUID(bytes=blake2b(b"order-9", digest_size=16).digest()))
    for _ in range(3):
        process.send("order-9", Increment("a", 1))
        process.send(twin, Increment("a", 1))
        process.flush()
    assert counted() == {"a": 1}


@pytest.mark.parametrize("other", [Increment("a", 2), Increment("b", 1), batch(a=1)], ids=str)
def test_another_request_with_its_id_is_refused_while_it_waits(
    start: Start, other: Increment | Batch
) -> None:
    process = start()
    first = identified("x", Increment("a", 1))
    wrong = identified("x", other)
    assert process.buffer.record([first, wrong, first]).refused == {1: ID_REUSED}
    assert process.buffer.record([wrong, first]).refused == {0: ID_REUSED}
    process.flush()
    assert process.buffer.record([wrong, first]).refused == {0: ID_REUSED}
    process.flush()
    assert counted() == {"a": 1}


def test_another_batch_with_its_id_is_refused(start: Start) -> None:
    process = start()
    process.send("x", batch(a=1, b=1))
    for other in batch(a=1, b=2), batch(a=1), batch(b=1, a=1), Increment("a", 1):
        assert process.buffer.record([identified("x", other)]).refused == {0: ID_REUSED}
    process.send("x", batch(a=1, b=1))
    process.flush()
    assert counted() == {"a": 1, "b": 1}


def test_what_waits_here_is_known_where_processes_can_share_nothing(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("counters.temporary_folder.gettempdir", lambda: tmp_path / "file")
    process = start()
    process.send("x", Increment("a", 1))
    wrong = identified("x", Increment("a", 2))
    assert process.buffer.record([wrong]).refused == {0: ID_REUSED}
    process.flush()
    process.send("x", Increment("a", 1))
    process.flush()
    assert counted() == {"a": 1}


@pytest.mark.parametrize("is_flushed", [False, True])
def test_another_request_with_its_id_is_refused_by_every_process_of_the_machine(
    start: Start, is_flushed: bool
) -> None:
    one, other = start(), start()
    one.send("x", Increment("a", 1))
    if is_flushed:
        one.flush()
    wrong = identified("x", Increment("a", 2))
    for process in other, one, start():
        assert process.buffer.record([wrong]).refused == {0: ID_REUSED}
        process.send("x", Increment("a", 1))


def test_of_two_requests_with_one_id_the_first_flushed_counts_and_the_log_says_so(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = start(), start("another node")
    one.send("the id", Increment("a", 1))
    other.send("the id", Increment("a", 20))
    one.flush()
    with caplog.at_level(logging.WARNING):
        other.flush()
    assert counted() == {"a": 1}
    (told,) = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert "1 requests" in told
    assert "'the id'" in told


_ALIKE = {
    "UUIDv7 by its time": "{:08x}-d2e3-7000-8000-000000000000",
    "UUIDv7 with a counter at its end": "019ab0c1-d2e3-7000-8000-{:012x}",
    "UUIDv1": "{:08x}-9d3b-11f0-9a2b-0242ac120002",
    "decimal": "{}",
    "padded": "order-{:010}",
    "twice": "{0:06}/{0:06}",
    "long": "{:064}",
}
"""How clients may make ids that differ in a few characters only."""


@pytest.mark.parametrize("form", _ALIKE.values(), ids=_ALIKE)
def test_ids_that_look_alike_are_not_taken_for_each_other(start: Start, form: str) -> None:
    process = start()
    for begin in range(0, 60_000, 1000):
        numbers = range(begin, begin + 1000)
        requests = [identified(form.format(each), Increment("a", each)) for each in numbers]
        assert not process.buffer.record(requests).refused


def test_what_there_is_no_room_for_uses_up_no_id(start: Start) -> None:
    process = start(max_keys=3)
    too_much = identified("x", batch(a=1, b=1, c=1))
    fits = identified("x", Increment("a", 1))
    refused = process.buffer.record([too_much, fits]).refused
    assert list(refused) == [0]
    assert isinstance(refused[0], Limit)
    process.flush()
    assert counted() == {"a": 1}


def test_what_waits_with_ids_is_bounded(start: Start) -> None:
    process = start(max_keys=100)
    refused = 0
    for number in range(110):
        receipt = process.buffer.record([identified(str(number), batch(a=1, b=1))])
        refused += len(receipt.refused)
        assert all(isinstance(why, Limit) for why in receipt.refused.values())
    assert refused == 12
    assert not process.buffer.record([identified("0", batch(a=1, b=1))]).refused
    process.flush()
    assert counted() == {"a": 98, "b": 98}
    process.send("more", batch(a=1, b=1))


def test_damage_costs_the_record_alone(start: Start, tmp_path: Path) -> None:
    process = start()
    ends = [
        process.buffer.record([identified(str(number), Increment("a", 10**number))]).end
        for number in range(3)
    ]
    (journal,) = (tmp_path / "node").glob("*.journal")
    damage(journal, ends[1])
    process.buffer.close()
    recover_journals(tmp_path / "node", totals_ids().accepted, set())
    assert counted() == {"a": 101}


def test_what_was_damaged_after_its_copy_was_counted_counts_twice_and_is_told(
    start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    process, other = start(), start("another node")
    other.send("the id", Increment("a", 1))
    other.flush()
    process.send("fine", Increment("a", 10))
    end = process.buffer.record([identified("the id", Increment("a", 1))]).end
    (journal,) = (tmp_path / "node").glob("*.journal")
    damage(journal, end)
    with caplog.at_level(logging.ERROR):
        process.flush()
    assert counted() == {"a": 12}
    (told,) = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
    assert told.startswith("1 requests count twice, for example that with")
    assert "'the id'" in told


@pytest.mark.parametrize("request_", [Increment("a", 1), batch(a=1, b=5)], ids=["one", "batch"])
def test_where_the_database_went_back_all_counts_anew_once(
    start: Start, request_: Increment | Batch
) -> None:
    process = start()
    process.send("before", request_)
    process.send("both", request_)
    process.flush()
    for table in Number, RequestId, Position:
        table.objects.all().delete()
    process.send("both", request_)
    process.send("after", request_)
    process.flush()
    assert counted() == ({"a": 3} if isinstance(request_, Increment) else {"a": 3, "b": 15})


def test_what_others_flushed_before_damage_is_not_counted_again(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = start()
    add = totals.add_to_totals

    def add_and_send(*arguments: Any) -> Any:
        monkeypatch.setattr(totals, "add_to_totals", add)
        process.send("flushed", Increment("a", 1))  # a copy, while the first is being flushed
        return add(*arguments)

    process.send("flushed", Increment("a", 1))
    monkeypatch.setattr(totals, "add_to_totals", add_and_send)
    process.flush()
    process.send("by another", batch(a=10, b=1))
    end = process.buffer.record([identified("damaged", Increment("a", 100))]).end
    process.send("behind it", Increment("a", 1000))
    (journal,) = (tmp_path / "node").glob("*.journal")
    damage(journal, end)
    flush_journals(tmp_path / "node", set())
    assert counted() == {"a": 11, "b": 1}
    process.flush()
    assert counted() == {"a": 1111, "b": 1}


@pytest.mark.parametrize("seed", range(20))
def test_any_history_ends_with_the_sum_of_distinct_requests(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = Random(seed)
    folders = ["one", "two"]
    processes = [start(chance.choice(folders)) for _ in range(4)]
    kinds: list[Increment | Batch] = [Increment("a", 1), Increment("b", -2), batch(a=3, c=1)]
    requests = [(str(uuid4()), chance.choice(kinds)) for _ in range(30)]
    sent = set()
    plain = 0
    add = totals.add_to_totals

    def send(process: Process) -> None:
        numbers = chance.choices(range(len(requests)), k=chance.randint(1, 4))
        together = [identified(*requests[number]) for number in numbers]
        assert not process.buffer.record(together).refused
        sent.update(numbers)

    def flush_while_it_is_sent_to(process: Process, *, fails: bool) -> None:
        def add_meanwhile(*arguments: Any) -> Any:
            send(process)
            if fails:
                raise OperationalError("by chance")
            return add(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(totals, "add_to_totals", add_meanwhile)
            process.flush()

    doings = {"send": 40, "plain": 10, "flush": 6, "fail": 6, "die": 5, "flush files": 3}
    for _ in range(200):
        place = chance.randrange(len(processes))
        process = processes[place]
        match chance.choices(list(doings), list(doings.values()))[0]:
            case "send":
                send(process)
            case "plain":
                process.buffer.record([Increment("plain", 1)])
                plain += 1
            case "flush":
                flush_while_it_is_sent_to(process, fails=False)
            case "fail":
                flush_while_it_is_sent_to(process, fails=True)
            case "die":
                process.buffer.close()
                processes[place] = start(chance.choice(folders))
            case "flush files":
                flush_journals(tmp_path / chance.choice(folders), set())
    for folder in folders:
        start(folder).flush()  # recovers what the dead have left
    for process in processes:
        process.flush()
    expected = {"plain": plain}
    for number in sent:
        request = requests[number][1]
        for each in [request] if isinstance(request, Increment) else request.increments:
            expected[each.key] = expected.get(each.key, 0) + each.value
    assert counted() == {key: value for key, value in expected.items() if key in counted() or value}
