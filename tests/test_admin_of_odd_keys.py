"""Whatever is in the table, the admin lists it, and opens each row that has a key."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from html import unescape

import pytest

from tests.testbed.admin import SUPERUSER, log_in
from tests.testbed.replies import Reply
from tests.testbed.service import NEVER, Service

TOTALS = "/admin/counters/number/"
TEXTS = [
    *(".", "..", "a.b", "/", "//", "a/b", "a/../b", "a%2Fb", "%", "?", "#", "&", ";", "+", "\\"),
    *("", " ", "  a", "a ", "a\nb", "a\r\n", "\0", "a\0b", "\x01", "\x7f", "\u2028", "\u202ea"),
    *("~", "~41", "~~41", "_41", "_2F", "add", "change", "<b>", "&amp;", "NULL", "x'41'", '"q"'),
    *("é", "🦊" * 255, "k" * 255, "٣"),
]
SQL = ["x'00ff'", "x''", "x'41'", "CAST(x'ff41' AS text)", "CAST(x'eda080' AS text)"]
"""Keys that only an editor of the file can make: bytes, and text that is not UTF-8."""
VALUES = ["'text'", "1.5", "x'ff'", "CAST(x'ff' AS text)"]
"""The same for totals."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service, whose database was edited by hand while it was down."""
    folder = tmp_path_factory.mktemp("odd")
    service = Service(folder, WEB_CONCURRENCY="1", FLUSH_INTERVAL=NEVER, **SUPERUSER)
    with closing(sqlite3.connect(service.database)) as database:
        database.execute("DROP TABLE numbers")
        database.execute("CREATE TABLE numbers (key text, value integer NOT NULL DEFAULT 0)")
        database.execute("CREATE UNIQUE INDEX numbers_key_index ON numbers (key)")
        database.executemany("INSERT INTO numbers VALUES (?, 1)", [(text,) for text in TEXTS])
        for sql in SQL:
            database.execute(f"INSERT INTO numbers VALUES ({sql}, 1)")
        for number, sql in enumerate(VALUES):
            database.execute(f"INSERT INTO numbers VALUES ('value {number}', {sql})")
        database.execute("INSERT INTO numbers VALUES (NULL, 1), (NULL, 2)")
        database.commit()
    with service:
        yield service


@pytest.fixture(scope="module")
def headers(service: Service) -> dict[str, str]:
    return log_in(service)


def get(service: Service, path: str, headers: dict[str, str]) -> Reply:
    return service.request("GET", path, headers=headers)


def test_each_row_is_listed_and_each_key_opens(service: Service, headers: dict[str, str]) -> None:
    page = get(service, f"{TOTALS}?all=", headers)
    assert page.status == 200
    rows = re.findall(r'<tr><th class="field-shown_key">(.*?)</th>', page.body.decode(), re.DOTALL)
    assert len(rows) == len(TEXTS) + len(SQL) + len(VALUES) + 2
    links = [re.fullmatch('<a href="(.*?)">(.*)</a>', row) for row in rows]
    assert [row for row, link in zip(rows, links, strict=True) if not link] == ["NULL", "NULL"]
    found = {link[1]: link[2] for link in links if link}
    assert len(found) == len({*found.values()}) == len(rows) - 2
    for address, key in found.items():
        opened = get(service, unescape(address), headers)
        shown = re.search(r'class="readonly">(.*?)</div>', opened.body.decode(), re.DOTALL)
        assert opened.status == 200, (address, key)
        assert shown, (address, key)
        assert shown[1] == key
    assert "Traceback" not in service.log()


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("?q=%00", 200),
        ("?q=%FF", 200),
        ("?q=" + "a" * 60_000, 200),  # databases refuse so long a pattern,
        ("?q=" + "a+" * 1_200, 200),  # and so many conditions
        ("?p=" + "9" * 5_000, 200),
        ("?o=9.9", 200),
        ("?key__exact=%00", 400),
        ("?key__regex=(", 400),
        ("?nothing=1", 400),
        ("nothing/change/", 302),
        ("~~zz/change/", 302),
        ("~FE/change/", 302),
        ("~/history/", 403),
        ("~/delete/", 403),
        ("add/", 403),
    ],
)
def test_odd_addresses_are_answered(
    service: Service, headers: dict[str, str], address: str, status: int
) -> None:
    assert get(service, TOTALS + address, headers).status == status
    assert "Traceback" not in service.log()
