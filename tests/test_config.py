"""Settings: a bad one stops the start, with advice, and a good one takes effect."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.testbed.commands import GUNICORN, MANAGE, ROOT, SERVE
from tests.testbed.requests import FORM
from tests.testbed.service import Service, StartService


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("FLUSH_INTERVAL", "soon", "seconds from 0.01 to 3600"),
        ("FLUSH_INTERVAL", "0", "seconds from 0.01 to 3600"),
        ("FLUSH_INTERVAL", "nan", "seconds from 0.01 to 3600"),
        ("JOURNAL_FSYNC", "sometimes", "always, everysec, never"),
        ("MAX_PENDING_KEYS", "0", "whole number from 1 up"),
        ("MAX_PENDING_KEYS", "many", "whole number from 1 up"),
        ("MAX_PENDING_BYTES", "1048575", "whole number from 1048576 up"),
        ("MAX_BODY_BYTES", "1", "whole number from 1024 up"),
        ("MAX_BODY_BYTES", "1_000_000", "whole number from 1024 up"),
        ("MAX_JOURNAL_BYTES", "1e9", "whole number from 1048576 up"),
        ("IDEMPOTENCY_HOURS", "0", "whole number from 1 to 8760"),
        ("IDEMPOTENCY_HOURS", "8761", "whole number from 1 to 8760"),
        ("IDEMPOTENCY_HOURS", "1.5", "whole number from 1 to 8760"),
        ("INCREMENT_TOKEN", "two words", "printable ASCII"),
        ("INCREMENT_TOKEN", "Schlüssel", "printable ASCII"),
        ("INCREMENT_TOKEN", "from-a-file\n", "printable ASCII"),
        ("INCREMENT_ORIGINS", "shop.example", "such as https://shop.example"),
        ("INCREMENT_ORIGINS", "self,https://shop.example/", "without a path"),
        ("INCREMENT_ORIGINS", "self,,*", "separated by commas"),
        ("INCREMENT_ORIGINS", "https://shop.example:443", "without :443"),
        ("INCREMENT_ORIGINS", "http://shop.example:80", "without :443"),
        ("INCREMENT_ORIGINS", "https://bücher.example", "xn--"),
        ("MAX_INCOMING_BYTES", "2097151", "whole number from 2097152"),
        ("MAX_INCOMING_BYTES", "64 MiB", "whole number from 2097152"),
        ("PUBLIC_URL", "counter.example", "https://counter.example"),
        ("PUBLIC_URL", "ftp://counter.example", "https://counter.example"),
        ("PUBLIC_URL", "https://counter.example/counter", "without a path"),
        ("PUBLIC_URL", "https://counter.example:http", "https://counter.example:8443"),
        ("PUBLIC_URL", "https://", "https://counter.example"),
        ("PUBLIC_URL", "https://*", "one host"),
        ("PUBLIC_URL", "https://*.counter.example", "one host"),
        ("PUBLIC_URL", "https://.counter.example", "one host"),
        ("PUBLIC_URL", "https://counter.example.", "one host"),
        ("PUBLIC_URL", "https://a b.example", "one host"),
        ("PUBLIC_URL", "https://a.example,b.example", "one host"),
        ("PUBLIC_URL", "https://zähler.example", "xn--"),
        ("PUBLIC_URL", "https://@counter.example", "without a path"),
        ("PUBLIC_URL", "https://[::1", "https://counter.example"),
        ("PORT", "0", "whole number from 1 to 65535"),
        ("PORT", "99999", "whole number from 1 to 65535"),
        ("PORT", "٣٣٣٣", "whole number from 1 to 65535"),
        ("MAX_PENDING_KEYS", "٣", "whole number from 1 up"),
        ("MAX_BODY_BYTES", "٣٣٣٣", "whole number from 1024 up"),
        ("MAX_PENDING_KEYS", "9" * 5000, "whole number from 1 up"),
        ("FLUSH_INTERVAL", "٣", "seconds from 0.01 to 3600"),
        ("DJANGO_ALLOWED_HOSTS", ",", "separated by commas"),
        ("DJANGO_ALLOWED_HOSTS", "http://x", "without scheme and port"),
        ("DJANGO_ALLOWED_HOSTS", "localhost:3333", "without scheme and port"),
        ("DJANGO_ALLOWED_HOSTS", "localhost;127.0.0.1", "separated by commas"),
        ("DJANGO_ALLOWED_HOSTS", "a b", "separated by commas"),
        ("DJANGO_ALLOWED_HOSTS", "*.counter.example", ".counter.example"),
        ("DJANGO_ALLOWED_HOSTS", "::1", "[::1]"),
        ("DJANGO_ALLOWED_HOSTS", "bücher.example", "xn--"),
        ("DJANGO_DEBUG", "maybe", "on or off"),
        ("WEB_CONCURRENCY", "0", "whole number from 1 to 1024"),
        ("WEB_CONCURRENCY", "abc", "whole number from 1 to 1024"),
        ("DATABASE_URL", "numbers.db", "postgres://user:password@host/name"),
        ("DATABASE_URL", "mysql://localhost/numbers", "postgres://user:password@host/name"),
        ("DATABASE_URL", "postgres://user:secret@host:port/name", "sqlite:////path/file.db"),
        ("DATABASE_URL", "postgres://", "postgres://user:password@host/name"),
        ("DATABASE_URL", "sqlite:///:memory:", "sqlite:////path/file.db"),
        ("DATABASE_URL", "sqlite:////dev/null/numbers.db", "folder that exists"),
        ("DATABASE_URL", "sqlite:////tmp", "folder that exists"),
        ("JOURNAL_DIR", "/dev/null", "folder that the service's user may write to"),
        ("JOURNAL_DIR", "/dev/null/journal", "folder that the service's user may write to"),
    ],
)
def test_bad_setting_is_refused_with_advice(
    tmp_path: Path, name: str, value: str, advice: str
) -> None:
    said = Service(tmp_path, **{name: value}).manage("check", code=1)
    assert name in said
    assert advice in said
    assert "Traceback" not in said
    assert "secret" not in said


def test_with_a_public_url_nothing_is_missing_for_deployment(tmp_path: Path) -> None:
    settings = {"PUBLIC_URL": "https://counter.example", "DJANGO_SECRET_KEY": "only-for-tests-" * 5}
    service = Service(tmp_path, JOURNAL_FSYNC="never", **settings)  # /tmp may be in memory
    service.manage("migrate", "-v0")
    said = service.manage("check", "--deploy", "--fail-level", "WARNING", code=0)
    assert "no issues" in said


@pytest.mark.parametrize(
    "hosts", ["localhost, ", "*", ".counter.example,a-b.example", "[2001:db8::1],10.0.0.1", "X"]
)
def test_hosts_that_can_be_asked_for_are_taken(tmp_path: Path, hosts: str) -> None:
    assert "no issues" in Service(tmp_path, DJANGO_ALLOWED_HOSTS=hosts).manage("check")


@pytest.mark.parametrize(
    ("fsync", "is_named"), [("always", True), ("everysec", True), ("never", False)]
)
def test_a_journal_in_memory_is_named_where_it_is_to_outlive_a_power_cut(
    tmp_path: Path, fsync: str, is_named: bool
) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        service = Service(tmp_path, JOURNAL_DIR=folder, JOURNAL_FSYNC=fsync)
        assert ("counters.W002" in service.manage("check")) == is_named


def test_journal_dir_may_be_in_a_folder_that_cannot_be_read(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "journal").mkdir(parents=True)
    closed.chmod(0o311)
    # Root can read every folder, unless `setpriv` takes that right away.
    without_rights = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
    command = (*(without_rights if os.geteuid() == 0 else ()), *GUNICORN)
    with Service(tmp_path, command=command, JOURNAL_DIR=str(closed / "journal")) as service:
        service.increment("a")
        service.wait_for_totals({"a": 1})


def test_project_may_be_in_a_folder_with_any_name(tmp_path: Path) -> None:
    project = tmp_path / "C# 100%41"
    for folder in ("counters", "incrementer_site"):
        shutil.copytree(ROOT / folder, project / folder)
    shutil.copy(ROOT / "manage.py", project)
    migrate = [*MANAGE, "migrate", "-v0"]
    subprocess.run(migrate, cwd=project, env={"DJANGO_SECRET_KEY": "a"}, check=True)
    assert (project / "numbers.db").exists()


@pytest.mark.parametrize(
    ("command", "name", "value", "advice"),
    [
        (GUNICORN, "FLUSH_INTERVAL", "soon", "seconds from 0.01 to 3600"),
        (SERVE, "FLUSH_INTERVAL", "soon", "seconds from 0.01 to 3600"),
        (GUNICORN, "PORT", "abc", "whole number from 1 to 65535"),
        (SERVE, "PORT", "abc", "whole number from 1 to 65535"),
        # Started by itself, gunicorn reads this one before anything of ours.
        (SERVE, "WEB_CONCURRENCY", "-1", "whole number from 1 to 1024"),
        (SERVE, "WEB_CONCURRENCY", "abc", "whole number from 1 to 1024"),
    ],
)
def test_bad_setting_stops_the_start(
    tmp_path: Path, command: Sequence[str], name: str, value: str, advice: str
) -> None:
    service = Service(tmp_path)
    environment = {**service.environment, name: value}
    start = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert start.returncode == 1
    assert f"{name} is {value!r}" in start.stderr
    assert advice in start.stderr
    assert "Traceback" not in start.stderr


def test_serves_on_ipv6(start_service: StartService) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"this machine has no IPv6: {error}")
    for host in ("::1", "[::1]"):
        start_service(HOST=host).increment("a")


def test_low_soft_limit_of_open_files_does_not_matter(tmp_path: Path) -> None:
    command = ("sh", "-c", f"ulimit -Sn 100 && exec {' '.join(GUNICORN)}")
    with (
        Service(tmp_path, command=command, WEB_CONCURRENCY="1") as service,
        ExitStack() as connections,
    ):
        for _ in range(150):
            connection = HTTPConnection("127.0.0.1", service.port, timeout=30)
            connections.callback(connection.close)
            connection.request("POST", "/increment", "key=a&value=1", {"Content-Type": FORM})
            assert connection.getresponse().read() == b'{"ok":true}\n'


def test_secret_key_is_made_once_and_private(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from incrementer_site.secret_key import secret_key;"
        f"print(secret_key(Path({str(tmp_path / 'key')!r})))"
    )
    python = [GUNICORN[0], "-c", code]
    processes = [
        subprocess.Popen(python, cwd=ROOT, env={}, stdout=subprocess.PIPE) for _ in range(4)
    ]
    keys = {process.communicate()[0] for process in processes}
    assert len(keys) == 1
    assert len(keys.pop()) > 40
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["key"]


def test_what_the_service_makes_is_private(tmp_path: Path) -> None:
    command = ("sh", "-c", f"umask 022 && exec {' '.join(GUNICORN)}")
    service = Service(tmp_path, command=command, JOURNAL_DIR=str(tmp_path / "new" / "journal"))
    service.database.unlink()
    migrate = ("sh", "-c", f"umask 022 && exec {' '.join(MANAGE)} migrate -v0")
    subprocess.run(migrate, cwd=ROOT, env=service.environment, check=True)
    with service:
        service.increment("a")
        with closing(sqlite3.connect(service.database)) as reader:  # -wal and -shm stay meanwhile
            reader.execute("SELECT 1 FROM numbers").fetchall()
            service.wait_for_totals({"a": 1})
            made = {path.name: path for path in tmp_path.rglob("*") if path.name != "service.log"}
            assert {"numbers.db", "numbers.db-wal", "numbers.db-shm", "new", "journal"} < set(made)
            assert any(name.endswith(".journal") for name in made)
            for path in made.values():
                assert path.stat().st_mode & 0o077 == 0, path
        assert "W001" not in service.manage("check")


@pytest.mark.parametrize("name", ["numbers.db", "numbers.db-wal"])
def test_a_database_that_everyone_may_read_is_left_so_and_named(tmp_path: Path, name: str) -> None:
    service = Service(tmp_path)
    path = tmp_path / name
    path.touch()
    path.chmod(0o644)
    said = service.manage("check")
    assert "incrementer_site.W001" in said
    assert f"chmod 600 {path}" in said
    with service:
        service.increment("a")
        service.wait_for_totals({"a": 1})
    if path == service.database:  # SQLite may make the other anew
        assert path.stat().st_mode & 0o777 == 0o644


def test_development_tools_are_there_with_debug_only(tmp_path: Path) -> None:
    assert "/increment" in Service(tmp_path, DJANGO_DEBUG="1").manage("show_urls")
    assert "Unknown command" in Service(tmp_path).manage("show_urls", code=1)
