"""Settings: a bad one stops the start with a sentence, a good one takes effect."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.server import GUNICORN, ROOT, Server


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("FLUSH_INTERVAL", "soon", "seconds from 0.01 to 3600"),
        ("FLUSH_INTERVAL", "0", "seconds from 0.01 to 3600"),
        ("FLUSH_INTERVAL", "nan", "seconds from 0.01 to 3600"),
        ("JOURNAL_FSYNC", "sometimes", "always, everysec, never"),
        ("MAX_PENDING_KEYS", "0", "whole number from 1 up"),
        ("MAX_PENDING_KEYS", "many", "whole number from 1 up"),
        ("MAX_BODY_BYTES", "1", "whole number from 1024 up"),
        ("MAX_JOURNAL_BYTES", "1e9", "whole number from 1048576 up"),
        ("INCREMENT_TOKEN", "two words", "printable ASCII"),
        ("INCREMENT_TOKEN", "Schlüssel", "printable ASCII"),
        ("JOURNAL_DIR", "/dev/null", "folder that the service's user may write to"),
        ("JOURNAL_DIR", "/dev/null/journal", "folder that the service's user may write to"),
    ],
)
def test_bad_setting_is_told_with_advice(
    tmp_path: Path, name: str, value: str, advice: str
) -> None:
    said = Server(tmp_path, **{name: value}).manage("check", code=1)
    assert name in said
    assert advice in said
    assert "Traceback" not in said


def test_bad_setting_stops_the_start(tmp_path: Path) -> None:
    server = Server(tmp_path, FLUSH_INTERVAL="soon")
    start = subprocess.run(
        GUNICORN, cwd=ROOT, env=server.env, capture_output=True, text=True, timeout=60
    )
    assert start.returncode == 1
    assert "FLUSH_INTERVAL is 'soon'" in start.stderr
    assert "Traceback" not in start.stderr


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


def test_development_tools_are_there_with_debug_only(tmp_path: Path) -> None:
    assert "/increment" in Server(tmp_path, DJANGO_DEBUG="1").manage("show_urls")
    assert "Unknown command" in Server(tmp_path).manage("show_urls", code=1)
