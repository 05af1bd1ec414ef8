"""What the database has refused of a key goes with its total, whoever dies in between."""

from __future__ import annotations

import json
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.testbed.commands import run
from tests.testbed.refusing import CHECK, NO_CHECK, change
from tests.testbed.requests import JSON
from tests.testbed.service import NEVER, Service
from tests.testbed.setting import COUNTER, TOKENS, count, put
from tests.testbed.waiting import wait_for

DYING = """
import os, pathlib, signal, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "incrementer_site.settings"
import django
django.setup()
from counters import counting, totals
dies_at = sys.argv.pop(1)
def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
if dies_at == "COMMIT":
    totals.after_commit = lambda callback: totals.django_transaction.on_commit(die, using="default")
elif dies_at == "name":
    counting.name_refused = die
    pathlib.Path.unlink = die
else:
    pathlib.Path.unlink = die
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", *sys.argv[1:]])
"""
"""A command that dies once its transaction is committed: at once, before it gives a draft its name,
or before it removes a file."""


def refused_files(service: Service) -> list[Path]:
    return list(service.journal_dir.glob("*.refused"))


def have_refused_counted(service: Service) -> None:
    for path in refused_files(service):
        path.rename(path.with_suffix(".journal"))


def test_many_changes_at_once_bring_nothing_refused_back(tmp_path: Path) -> None:
    service = Service(tmp_path, **TOKENS, WEB_CONCURRENCY="3")
    change(service.database, CHECK)
    keys = [f"bad {number}" for number in range(100)]
    with service:
        body = [{"key": key, "value": 1} for key in keys]
        assert service.post(json.dumps(body), JSON, **COUNTER).status == 200
        wait_for(lambda: refused_files(service), "a file of what is refused")
        change(service.database, NO_CHECK)
        with ThreadPoolExecutor(16) as clients:
            replies = clients.map(lambda key: put(service, key, '{"value": 1000}'), keys[:50])
            assert {reply.status for reply in replies} <= {200, 503}
        for key in keys[:50]:  # those that met too many others, once more
            assert put(service, key, '{"value": 1000}').status == 200
        have_refused_counted(service)
        service.wait_for_totals(dict.fromkeys(keys[:50], 1000) | dict.fromkeys(keys[50:], 1))


@pytest.mark.parametrize(
    "command",
    [("resetnumbers", "--noinput"), ("resetnumbers", "--noinput", "bad 1", "bad 2")],
    ids=["all", "some"],
)
@pytest.mark.parametrize("dies_at", ["COMMIT", "name", "remove"])
def test_a_reset_that_dies_brings_nothing_refused_back(
    tmp_path: Path, command: tuple[str, ...], dies_at: str
) -> None:
    service = Service(tmp_path, **TOKENS, WEB_CONCURRENCY="1")
    change(service.database, CHECK)
    with service:
        body = [{"key": f"bad {number}", "value": 1} for number in range(4)]
        assert service.post(json.dumps(body), JSON, **COUNTER).status == 200
        wait_for(lambda: refused_files(service), "a file of what is refused")
        change(service.database, NO_CHECK)
        run(
            (sys.executable, "-c", DYING, dies_at, *command),
            service.environment,
            code=-signal.SIGKILL,
        )
        wait_for(
            lambda: not list(service.journal_dir.glob("*.refused.draft")), "a flush to see to it"
        )
        have_refused_counted(service)
        count(service, "good", 1)
        kept = () if len(command) == 2 else ("bad 0", "bad 3")
        service.wait_for_totals({"good": 1} | dict.fromkeys(kept, 1))


def test_what_a_change_itself_finds_refused_is_replaced(tmp_path: Path) -> None:
    service = Service(tmp_path, **TOKENS, WEB_CONCURRENCY="1", FLUSH_INTERVAL=NEVER)
    with service:
        count(service, "bad", 1)
        count(service, "bad, too", 1)
        change(service.database, CHECK)
        service.kill()
        service.manage("resetnumbers", "--noinput", "bad")
        change(service.database, NO_CHECK)
        have_refused_counted(service)
        service.manage("flushnumbers")
        assert service.totals() == {"bad, too": 1}
