"""Health: anyone learns whether and why not, and who has the token learns the rest."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from tests.testbed.commands import GUNICORN, IMPATIENT, WSGI
from tests.testbed.service import NEVER, Service, StartService
from tests.testbed.waiting import wait_for

BEARER = {"Authorization": "Bearer token"}
DETAILS = {"pending_keys", "pending_ids", "journal_bytes", "seconds_since_flush", "last_error"}


@pytest.mark.parametrize("command", [GUNICORN, WSGI], ids=["event loop", "Django"])
def test_details_are_for_who_has_the_token(
    start_service: StartService, command: tuple[str, ...]
) -> None:
    service = start_service(
        command=command, INCREMENT_TOKEN="token", FLUSH_INTERVAL=NEVER, WEB_CONCURRENCY="1"
    )
    service.post("key=a&value=1", **BEARER)
    for path, shown in {
        "/healthz": {"alive": True, "ready": True},
        "/readyz": {"ready": True},
    }.items():
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic token"}):
            reply = service.request("GET", path, headers=headers)
            assert (reply.status, reply.json()) == (200, shown)
        known = service.request("GET", path, headers=BEARER).json()
        assert known.keys() == shown.keys() | DETAILS
        assert known["pending_keys"] in (0, 1)  # the first flush may have come between
        assert known["last_error"] == ""


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer "])
def test_without_a_token_nobody_gets_details(shared_service: Service, authorization: str) -> None:
    reply = shared_service.request("GET", "/healthz", headers={"Authorization": authorization})
    assert reply.json() == {"alive": True, "ready": True}


def test_what_the_database_says_is_not_for_everyone(tmp_path: Path) -> None:
    service = Service(tmp_path, command=IMPATIENT, WEB_CONCURRENCY="1", INCREMENT_TOKEN="token")
    with service:
        service.database.write_text("no database")
        service.post("key=a&value=1", **BEARER)
        wait_for(lambda: service.request("GET", "/readyz").status == 503, "the flush to be missed")
        assert service.request("GET", "/readyz").json() == {
            "error": "the flush fails",
            "why": "database",
        }
        assert service.request("GET", "/healthz").json() == {
            "alive": True,
            "ready": False,
            "why": "database",
        }
        known = service.request("GET", "/readyz", headers=BEARER)
        assert known.status == 503
        assert "not a database" in known.json()["last_error"]


def test_full_is_told_from_unwritable(start_service: StartService) -> None:
    service = start_service(MAX_PENDING_KEYS="1", FLUSH_INTERVAL=NEVER, WEB_CONCURRENCY="1")
    keys = count()  # the first flush may come between
    wait_for(lambda: service.post(f"key={next(keys)}&value=1").status == 503, "the limit")
    assert service.request("GET", "/readyz").json()["why"] == "full"


def test_the_anonymous_are_not_told_what_the_system_said(start_service: StartService) -> None:
    service = start_service(WEB_CONCURRENCY="1")
    service.journal_dir.rmdir()
    service.journal_dir.write_text("in the way")
    sentence = "the journal cannot be written"
    assert service.post("key=a&value=1").json() == {"error": sentence}
    assert service.request("GET", "/readyz").json() == {"error": sentence, "why": "journal"}
