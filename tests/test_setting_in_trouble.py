"""Setting totals where the database refuses them, a journal is damaged, or a process is dead."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from tests.testbed.refusing import CHECK, NO_CHECK, change
from tests.testbed.requests import JSON
from tests.testbed.service import NEVER, Service
from tests.testbed.setting import COUNTER, TOKENS, count, get, put
from tests.testbed.waiting import wait_for


def test_what_the_database_refuses_changes_nothing(tmp_path: Path) -> None:
    service = Service(tmp_path, **TOKENS, WEB_CONCURRENCY="1")
    change(service.database, CHECK)
    with service:
        count(service, "good", 5)
        for key, value in (("good", 1000), ("bad", 1)):
            reply = put(service, key, f'{{"value": {value}}}')
            assert reply.status == 409
            assert "CHECK" in reply.json()["error"]
        service.wait_for_totals({"good": 5})


def test_what_was_refused_of_a_key_is_replaced_with_it(tmp_path: Path) -> None:
    service = Service(tmp_path, **TOKENS, WEB_CONCURRENCY="1")
    change(service.database, CHECK)

    def refused() -> list[Path]:
        return list(service.journal_dir.glob("*.refused"))

    with service:
        body = [{"key": key, "value": 1} for key in ("bad 1", "bad 2", "bad 3", "good")]
        assert service.post(json.dumps(body), JSON, **COUNTER).status == 200
        wait_for(refused, "a file of what is refused")
        change(service.database, NO_CHECK)
        assert put(service, "bad 1", '{"value": 70}').status == 200
        assert "Deleted 0" in service.manage("resetnumbers", "--noinput", "bad 2")
        for path in refused():
            assert path.stat().st_mode & 0o077 == 0
            path.rename(path.with_suffix(".journal"))
        service.wait_for_totals({"bad 1": 70, "bad 3": 1, "good": 1})


def test_a_file_of_what_was_refused_goes_with_its_last_key(tmp_path: Path) -> None:
    service = Service(tmp_path, **TOKENS, WEB_CONCURRENCY="1")
    change(service.database, CHECK)
    with service:
        count(service, "bad", 1)
        wait_for(lambda: list(service.journal_dir.glob("*.refused")), "a file")
        service.manage("resetnumbers", "--noinput", "--prefix", "b")
        assert not list(service.journal_dir.glob("*.refused*"))


def test_a_journal_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    service = Service(tmp_path, **TOKENS, WEB_CONCURRENCY="1", FLUSH_INTERVAL=NEVER)
    with service:
        count(service, "a", 1)
        alien = service.journal_dir / "0.journal"
        alien.write_bytes(b"something else")
        reply = put(service, "a", '{"value": 5}')
        assert reply.status == 503
        assert str(alien) in reply.json()["error"]
        assert str(alien) in service.manage("resetnumbers", "--noinput", "a", code=1)
        alien.unlink()
        assert get(service, "a").json()["value"] == 1
        assert put(service, "a", '{"value": 5}').status == 200


def test_what_dead_processes_left_is_replaced_too(tmp_path: Path) -> None:
    service = Service(tmp_path, **TOKENS, WEB_CONCURRENCY="1", FLUSH_INTERVAL=NEVER)
    with service:
        count(service, "a", 1)
        count(service, "b", 1)
        service.kill()
        assert "Deleted 1 totals" in service.manage("resetnumbers", "--noinput", "a")
        assert service.totals() == {"b": 1}
        service.start()
        assert service.totals() == {"b": 1}


def test_what_only_a_stopped_process_knows_is_not_replaced_by_halves(tmp_path: Path) -> None:
    """Its journal is damaged, and what it held is in the memory of a process that stands still."""
    service = Service(tmp_path, **TOKENS, WEB_CONCURRENCY="1", FLUSH_INTERVAL=NEVER)
    with service:
        count(service, "a", 1)
        count(service, "b", 2)
        (worker,) = service.journal_owners()
        (journal,) = service.journal_dir.glob("*.journal")
        os.kill(worker, signal.SIGSTOP)
        try:
            with journal.open("r+b") as file:
                file.seek(150)  # in the first record, behind the header
                byte = file.read(1)[0]
                file.seek(150)
                file.write(bytes([byte ^ 1]))
            said = service.manage("resetnumbers", "--noinput", "a", code=1)
            assert "is damaged, and its process counts from memory" in said
        finally:
            os.kill(worker, signal.SIGCONT)
        assert "Deleted 1 totals" in service.manage("resetnumbers", "--noinput", "a")
        service.stop()
    assert service.totals() == {"b": 2}
