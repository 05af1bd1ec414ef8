"""What docs/deployment.md says: its files are taken from there, and used."""

from __future__ import annotations

import os
import re
import string
import subprocess
import sys
from pathlib import Path

import pytest

from tests.testbed.commands import ROOT, run
from tests.testbed.ports import free_port
from tests.testbed.programs import needs
from tests.testbed.service import Service

TEXT = (ROOT / "docs" / "deployment.md").read_text()


def block(language: str) -> str:
    found: str
    (found,) = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    return found


def variables(text: str) -> dict[str, str]:
    """Return what systemd reads from an environment file with lines such as the documented ones."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    pairs = [line.partition("=") for line in lines]
    return {name: value.strip("'") for name, _, value in pairs}


@pytest.fixture
def unit(tmp_path: Path) -> str:
    """The documented unit, with its files in the test's folder."""
    places = {
        "/opt/incrementer/.venv/bin/python": sys.executable,
        "/opt/incrementer": str(ROOT),
        "/etc/incrementer.env": str(tmp_path / "incrementer.env"),
    }
    text = block("systemd")
    for documented, place in places.items():
        assert documented in text
        text = text.replace(documented, place)
    return text


def line_of(unit: str, name: str) -> str:
    (line,) = re.findall(rf"^{name}=(.*)$", unit, re.MULTILINE)
    return str(line)


def test_a_shell_takes_the_file_of_settings(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    quoted = "DJANGO_SECRET_KEY='pa$$word \"` ;&()#|<>~'\n"
    file.write_text(block("sh") + quoted)
    show = "from django.conf import settings as s; print(s.SECRET_KEY, s.ALLOWED_HOSTS[-1])"
    script = 'set -a; . "$0"; set +a; exec "$@"'
    command = ["sh", "-c", script, str(file), sys.executable, "manage.py", "shell", "-c", show]
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": f"sqlite:///{tmp_path}/numbers.db"}
    said = run(command, environment | {"JOURNAL_DIR": str(tmp_path / "journal")})
    assert 'pa$$word "` ;&()#|<>~ counter.example' in said


def test_a_shell_takes_each_character_that_is_quoted_as_documented(tmp_path: Path) -> None:
    (documented,) = re.findall(r"anything but letters, digits and `` (.*?) ``", TEXT)
    needs_none = {*documented.split(), *string.ascii_letters, *string.digits}
    values = []
    for character in map(chr, range(ord(" "), 127)):
        quote = "" if character in needs_none else '"' if character == "'" else "'"
        if character != "\\":
            values += [(quote, value) for value in (f"{character}a", f"a:{character}a{character}")]
    file = tmp_path / ".env"
    file.write_text("".join(f"V{n}={q}{v}{q}\n" for n, (q, v) in enumerate(values)))
    show = f"import os; [print(os.environ[f'V{{n}}']) for n in range({len(values)})]"
    command = ["sh", "-c", 'set -a; . "$0"; exec "$@"', str(file), sys.executable, "-c", show]
    environment = {"PATH": os.environ["PATH"], "HOME": "/somewhere"}  # which ~ would become
    assert run(command, environment).splitlines() == [value for _, value in values]


@needs("systemd-analyze")
def test_systemd_understands_the_unit(tmp_path: Path, unit: str) -> None:
    file = tmp_path / "incrementer.service"
    file.write_text(unit)
    (tmp_path / "incrementer.env").touch()
    verified = subprocess.run(
        ["systemd-analyze", "verify", str(file)], capture_output=True, text=True, check=False
    )
    assert verified.returncode == 0, verified.stderr
    assert str(file) not in verified.stderr  # a line that it does not know is a warning only


def test_the_unit_serves_reloads_and_ends(tmp_path: Path, unit: str) -> None:
    state = tmp_path / "state"
    state.mkdir()
    settings = variables(block("ini").replace("/var/lib/incrementer", str(state)))
    assert "" in settings.values()
    settings |= {"PORT": str(free_port()), "WEB_CONCURRENCY": "1", "DJANGO_SECRET_KEY": "a"}
    service = Service(tmp_path, command=line_of(unit, "ExecStart").split(), **settings)
    service.environment = {"PATH": os.environ["PATH"], "FLUSH_INTERVAL": "0.2", **settings}
    run(line_of(unit, "ExecStartPre").split(), service.environment)
    with service:
        service.increment("a")
        before = service.workers()
        assert service.process is not None
        reload = line_of(unit, "ExecReload").replace("$MAINPID", str(service.process.pid))
        run(reload.split(), service.environment)
        service.wait_until(lambda: not {*before} & {*service.workers()}, "new workers")
        service.increment("a")
        service.stop()  # as KillMode=mixed: SIGTERM to the master
    assert service.totals() == {"a": 2}
    assert {path.name for path in state.iterdir()} == {"numbers.db", "journal"}
