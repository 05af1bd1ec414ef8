"""importnumbers and exportnumbers, as an operator uses them."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.testbed.commands import MANAGE, ROOT, running
from tests.testbed.databases import locked
from tests.testbed.postgresql import new_database
from tests.testbed.service import NEVER, Service

MIN, MAX = -(2**63), 2**63 - 1
TOTALS = {
    'q"uo"te': 1,
    '"': -2,
    "com,ma": MAX,
    "line\nend": MIN,
    "\r": 5,
    "\r\nboth\r\n": 6,
    " blanks ": 7,
    "=1+1": 8,
    "\ufeff": 9,
    "\ufeffkey": 10,
    "key": 11,
    "key,value": 12,
    "🎉" * 255: 13,
    "\u2028\u2029\x85\x0b\x0c": 14,
    "\x01\x1f\x7f": 15,
    "\\": 16,
    "\t": 17,
    "e\u0301": 18,
    "\u00e9": 19,
    "null": 0,
    "\U0010ffff\ud7ff\ue000\uffff": 21,
    "'; DROP TABLE numbers; --": 22,
    "%s": 23,
    "{}": 24,
}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], dict[str, str]]]:
    """Returns the settings of a migrated and empty database, a new one each time."""
    if request.param == "sqlite":
        yield dict
        return
    postgresql = request.getfixturevalue("postgresql")
    first = new_database(postgresql)
    folder = tmp_path_factory.mktemp("first")
    Service(folder, DATABASE_URL=first).manage("migrate", "-v0")
    name = urlsplit(first).path.removeprefix("/")
    yield lambda: {"DATABASE_URL": new_database(postgresql, template=name)}


@pytest.fixture
def service(database: Callable[[], dict[str, str]], tmp_path: Path) -> Service:
    """A service that does not run."""
    return Service(tmp_path, **database(), FLUSH_INTERVAL=NEVER)


def as_csv(totals: dict[str, int]) -> str:
    text = StringIO(newline="")
    csv.writer(text).writerows([("key", "value"), *totals.items()])
    return text.getvalue()


def as_ndjson(totals: dict[str, int]) -> str:
    pairs = [{"key": key, "value": value} for key, value in totals.items()]
    return "".join(f"{json.dumps(pair, ensure_ascii=False)}\n" for pair in pairs)


WRITERS = {"csv": as_csv, "ndjson": as_ndjson}


def write(path: Path, text: str) -> str:
    path.write_bytes(text.encode())
    return str(path)


def import_(service: Service, text: str | bytes, *options: str, code: int = 0) -> str:
    """Import a text from stdin and return what was said."""
    done = subprocess.run(
        [*MANAGE, "importnumbers", "-", *options],
        cwd=ROOT,
        env=service.environment,
        input=text if isinstance(text, bytes) else text.encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
    )
    said = done.stdout.decode()
    assert done.returncode == code, said
    assert "Traceback" not in said
    return said


@pytest.mark.parametrize("kind", WRITERS)
def test_every_key_comes_out_as_it_went_in(service: Service, tmp_path: Path, kind: str) -> None:
    given = write(tmp_path / f"given.{kind}", WRITERS[kind](TOTALS))
    assert f"Imported {len(TOTALS)} rows" in service.manage("importnumbers", given)
    assert service.totals() == TOTALS
    exported = tmp_path / f"exported.{kind}"
    service.manage("exportnumbers", str(exported))
    in_order = dict(sorted(TOTALS.items(), key=lambda total: total[0].encode()))
    if kind == "csv":
        assert exported.read_bytes() == as_csv(in_order).encode()
    else:
        pairs = [json.loads(line) for line in exported.read_bytes().split(b"\n")[:-1]]
        assert [(pair["key"], pair["value"]) for pair in pairs] == list(in_order.items())
    service.manage("resetnumbers", "--noinput")
    service.manage("importnumbers", "--replace", str(exported))
    assert service.totals() == TOTALS


def test_values_are_added_and_those_of_a_key_sum_up(service: Service) -> None:
    import_(service, as_csv({"a": 1, "b": 2}))
    rows = 'key,value\n"a",10\nb,-2\na,100\nc,+5\nc,-0007\n'
    assert "Imported 5 rows" in import_(service, rows)
    assert service.totals() == {"a": 111, "b": 0, "c": -2}


def test_sums_and_totals_stop_at_64_bits(service: Service) -> None:
    import_(service, as_csv({"up": MAX - 1, "down": MIN + 1, "set": 5}))
    rows = [("up", 2), ("down", -2), *[("back", MAX)] * 3, ("back", -MAX), ("back", -MAX)]
    rows += [("beyond", MIN)] * 3 + [("half", 2**62)] * 2 + [("-half", -(2**62))] * 2
    text = "key,value\n" + "".join(f"{key},{value}\n" for key, value in rows)
    said = import_(service, text)
    assert "The total of 'up' has reached the limit of 64 bits" in said
    totals = {"up": MAX, "down": MIN, "back": MAX, "beyond": MIN, "set": 5}
    assert service.totals() == {**totals, "half": MAX, "-half": MIN}


def test_replacing_leaves_keys_that_are_not_in_the_file(service: Service) -> None:
    import_(service, as_csv({"a": 1, "b": 2, "c": 3}))
    said = import_(service, as_ndjson({"b": 20, "d": 4}), "--replace", "--format", "ndjson")
    assert "Imported 2 rows" in said
    assert service.totals() == {"a": 1, "b": 20, "c": 3, "d": 4}
    text = "key,value\na,5\nb,6\nc,7\nb,8\na,9\n"
    assert "line 5: key b is given twice. Nothing was" in import_(
        service, text, "--replace", code=1
    )
    assert service.totals() == {"a": 1, "b": 20, "c": 3, "d": 4}


@pytest.mark.parametrize("kind", WRITERS)
def test_nothing_in_it_changes_nothing(service: Service, kind: str) -> None:
    for options in ((), ("--replace",)):
        said = import_(service, WRITERS[kind]({}), "--format", kind, *options)
        assert "Imported 0 rows" in said
    assert service.totals() == {}


def test_what_editors_do_to_files_is_borne(service: Service) -> None:
    import_(service, "\ufeffkey,value\r\n\ufeffa,1\r\n\r\nb,2")
    import_(
        service, '\ufeff{"key":"c","value":3}\r\n\r\n {"value":4,"key":"d"}', "--format", "ndjson"
    )
    assert service.totals() == {"\ufeffa": 1, "b": 2, "c": 3, "d": 4}


def test_the_first_bad_row_is_named_and_nothing_is_imported(service: Service) -> None:
    text = "key,value\r\na,1\r\nb,1.5\r\n,\r\n"
    said = import_(service, text, code=1)
    assert said == "CommandError: line 3: value is not a whole number. Nothing was imported.\n"
    assert service.totals() == {}


# Straight from a database


def old_database(path: Path, rows: list[tuple[object, object]]) -> str:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE numbers (key, value)")
        database.executemany("INSERT INTO numbers VALUES (?, ?)", rows)
        database.commit()
    return str(path)


def test_totals_come_straight_from_another_database(service: Service, tmp_path: Path) -> None:
    import_(service, as_csv({"a": 1}))
    other = old_database(tmp_path / "other", [*TOTALS.items(), ("a", 5), (7, 1)])
    assert f"Imported {len(TOTALS) + 2} rows" in service.manage("importnumbers", other)
    assert service.totals() == {**TOTALS, "a": 6, "7": 1}


def test_what_is_no_source_is_refused_in_a_sentence(service: Service, tmp_path: Path) -> None:
    empty = tmp_path / "empty.db"
    with closing(sqlite3.connect(empty)) as database:
        database.execute("CREATE TABLE other (key)")
    assert "no such table: main.numbers" in service.manage("importnumbers", str(empty), code=1)
    assert "cannot be read from a pipe" in import_(service, empty.read_bytes(), code=1)
    assert "No such file" in service.manage("importnumbers", str(tmp_path / "a.csv"), code=1)
    unknown = write(tmp_path / "a.txt", "key,value\n")
    assert "say --format" in service.manage("importnumbers", unknown, code=1)
    assert "Imported 0" in service.manage("importnumbers", unknown, "--format", "csv")
    if "sqlite" in service.environment["DATABASE_URL"]:
        other_name = tmp_path / "other name.db"
        other_name.hardlink_to(service.database)
        for own in service.database, other_name:
            said = service.manage("importnumbers", str(own), code=1)
            assert "is the database that the totals are kept in" in said


# While servers run


def test_a_slow_pipe_holds_up_no_flush(service: Service) -> None:
    """Rows have come, and more may come: nothing of the database is locked meanwhile."""
    with service:
        importing = [*MANAGE, "importnumbers", "-", "--replace"]
        with running(importing, service.environment) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            rows = "".join(f"imported {number},1\n" for number in range(100_000))
            process.stdin.write(f"key,value\n{rows}")
            process.stdin.flush()
            service.increment("a", 1)
            service.manage("flushnumbers")
            assert service.totals() == {"a": 1}
            process.stdin.write("a,5\n")
            process.stdin.close()
            assert process.wait(60) == 0
        totals = service.totals()
        assert len(totals) == 100_001
        assert totals["a"] == 5
        service.increment("a", 1)
        service.manage("flushnumbers")
        assert service.totals()["a"] == 6


def test_a_database_that_is_locked_is_said(tmp_path: Path) -> None:
    service = Service(tmp_path)
    with locked(service.database):
        said = import_(service, as_csv({"a": 1}), code=1)
    assert "is locked" in said
    assert service.totals() == {}


# Files


def test_a_file_is_there_when_it_is_whole(service: Service, tmp_path: Path) -> None:
    import_(service, as_csv({"a": 1}))
    folder = tmp_path / "exports"
    folder.mkdir()
    (folder / "real.csv").write_text("old")
    (folder / "link.csv").symlink_to("real.csv")
    service.manage("exportnumbers", str(folder / "link.csv"))
    assert (folder / "link.csv").is_symlink()
    assert (folder / "real.csv").read_text() == "key,value\na,1\n"
    assert sorted(path.name for path in folder.iterdir()) == ["link.csv", "real.csv"]
    service.manage("exportnumbers", "/dev/null", "--format", "csv")
    assert not Path("/dev/null").is_file()
    said = service.manage("exportnumbers", str(folder / "none" / "a.csv"), code=1)
    assert "No such file" in said
    assert "say --format" in service.manage("exportnumbers", str(folder / "a.txt"), code=1)


def test_an_export_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    service = Service(tmp_path)
    with closing(sqlite3.connect(service.database)) as database:
        database.executemany(
            "INSERT INTO numbers VALUES (?, 1)", [(f"{number:06}",) for number in range(50_000)]
        )
        database.execute("INSERT INTO numbers VALUES ('x', x'00')")
        database.commit()
    target = tmp_path / "exports" / "a.csv"
    target.parent.mkdir()
    target.write_text("old")
    said = service.manage("exportnumbers", str(target), code=1)
    assert "a row is no total: 'x'" in said
    assert [path.read_text() for path in target.parent.iterdir()] == ["old"]


def test_an_export_is_of_one_moment(service: Service, tmp_path: Path) -> None:
    """It is held up in the middle, and what is counted meanwhile is not in it."""
    import_(service, as_csv({f"{number:06}": 1 for number in range(100_000)}))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with (
        service,
        running(
            [*MANAGE, "exportnumbers", str(pipe), "--format", "csv"], service.environment
        ) as process,
        pipe.open("rb") as reader,
    ):
        begin = reader.read(100)
        service.increment("000000", 1)
        service.increment("099999", 1)
        service.increment("new", 1)
        service.manage("flushnumbers")
        assert service.totals()["099999"] == 2
        lines = (begin + reader.read()).decode().splitlines()
        assert process.wait(60) == 0
    assert lines == ["key,value", *(f"{number:06},1" for number in range(100_000))]


def test_a_reader_that_has_enough_gets_no_traceback(service: Service) -> None:
    import_(service, as_csv({f"{number:06}": 1 for number in range(100_000)}))
    command = " ".join([*MANAGE, "exportnumbers"])
    done = subprocess.run(
        ["sh", "-c", f"{command} | head -n 2"],
        cwd=ROOT,
        env=service.environment,
        capture_output=True,
        timeout=60,
    )
    assert done.stdout == b"key,value\r\n000000,1\r\n"
    assert done.stderr == b""


def test_an_export_to_stdout_can_be_piped_into_an_import(service: Service) -> None:
    import_(service, as_csv(TOTALS))
    command = " ".join([*MANAGE, "{}", "--format", "ndjson"])
    pipe = f"{command.format('exportnumbers')} | {command.format('importnumbers -')}"
    subprocess.run(["sh", "-c", pipe], cwd=ROOT, env=service.environment, check=True, timeout=60)
    doubled = {key: max(MIN, min(MAX, 2 * value)) for key, value in TOTALS.items()}
    assert service.totals() == doubled
