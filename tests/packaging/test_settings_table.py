"""README's table of settings has every environment variable that the service reads, and no other.

The tests start a copy of the sources with an `os.environ` that notes each name which they read. So
a variable is found in whatever way the code reads it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.testbed.commands import ROOT, SERVE
from tests.testbed.ports import free_port
from tests.testbed.service import Service

SERVICE = ("counters", "incrementer_site", "gunicorn.conf.py", "manage.py")
START = """
import dataclasses, json, os, runpy, sys

asked = set()

class Noting(type(os.environ)):
    def __getitem__(self, name):
        frame = sys._getframe(1)
        while frame.f_code.co_filename.startswith("<frozen "):  # `get` and `in` lead here
            frame = frame.f_back
        if frame.f_code.co_filename.startswith(os.getcwd()):
            asked.add(name)
        return super().__getitem__(name)

os.environ.__class__ = Noting
os.environ["DJANGO_SETTINGS_MODULE"] = "incrementer_site.settings"
gunicorn = runpy.run_path(os.path.abspath("gunicorn.conf.py"))

import django
django.setup()
from django.conf import settings
from django.core.checks import run_checks
from counters.config import config

assert not any(message.is_serious() for message in run_checks())
result = {
    "workers": gunicorn["workers"],
    "bind": gunicorn["bind"],
    "proxies": gunicorn["forwarded_allow_ips"],
    "debug": settings.DEBUG,
    "hosts": settings.ALLOWED_HOSTS,
    "secure": settings.SESSION_COOKIE_SECURE,
    "max_incoming_bytes": settings.MAX_INCOMING_BYTES,
    "max_body_bytes": settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
    "database": settings.DATABASES["default"],
    "counters": dataclasses.asdict(config()),
}
print(json.dumps({"asked": sorted(asked), "result": result}, default=str))
"""
IN_WORDS = {
    "`journal/` here": "{folder}/journal",
    "`numbers.db` here": "sqlite:///{folder}/numbers.db",
    "made on first start": "",
    "none": "",
    "number of CPUs": str(os.cpu_count()),
    "off": "",
    "those of this machine": "127.0.0.1,::1",
    "this machine": "localhost,127.0.0.1,[::1]",
}
"""For each default that README gives in words, the value of the variable."""
UNITS = {"MiB": 2**20, "GiB": 2**30}


@dataclass(frozen=True)
class Start:
    asked: set[str]
    """The variables that our own code read."""
    result: dict[str, Any]
    """What gunicorn, Django and the counters made of the variables."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("service")
    for name in SERVICE:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    return folder


def test_the_table_has_every_variable_and_no_other(folder: Path) -> None:
    assert _table().keys() == _start(folder, {}).asked


def test_the_defaults_are_those_of_the_table(folder: Path) -> None:
    """If every variable is set to the default that README gives, nothing changes."""
    documented = {name: _value(cell, folder) for name, cell in _table().items()}
    assert _start(folder, documented).result == _start(folder, {}).result


@pytest.mark.parametrize("nothing", ["", " "])
def test_an_empty_variable_is_as_good_as_none(folder: Path, nothing: str) -> None:
    assert _start(folder, dict.fromkeys(_table(), nothing)).result == _start(folder, {}).result


def test_it_serves_though_all_variables_are_empty(folder: Path) -> None:
    empty = dict.fromkeys(_table(), "") | {"DJANGO_SETTINGS_MODULE": "", "GUNICORN_CMD_ARGS": ""}
    port = str(free_port())  # that of the default is for the developer's own service
    service = Service(folder, folder, command=SERVE, **empty | {"PORT": port})
    service.manage("migrate", "-v0")
    with service:
        service.increment("a")


def _start(folder: Path, environment: dict[str, str]) -> Start:
    start = subprocess.run(
        [sys.executable, "-c", START],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environment},
        stdout=subprocess.PIPE,
        check=True,
    )
    started = json.loads(start.stdout)
    return Start(set(started["asked"]), started["result"])


def _table() -> dict[str, str]:
    """Return the default of each variable, as README has it."""
    _, _, section = (ROOT / "README.md").read_text().partition("\n## Settings\n")
    rows = re.findall(r"^\| (`[A-Z].*?) \| (.*?) \|", section.partition("\n## ")[0], re.MULTILINE)
    table: dict[str, str] = {}
    for variables, defaults in rows:
        names = variables.split(", ")
        cells = defaults.split(", ") if len(names) > 1 else [defaults]
        table |= {name.strip("`"): cell for name, cell in zip(names, cells, strict=True)}
    return table


def _value(cell: str, folder: Path) -> str:
    """Return the value of the variable that a `cell` of the table means."""
    if cell in IN_WORDS:
        return IN_WORDS[cell].format(folder=folder)
    number, _, unit = cell.partition(" ")
    if unit:
        return str(int(number) * UNITS[unit])
    return cell.replace(",", "").strip("`")
