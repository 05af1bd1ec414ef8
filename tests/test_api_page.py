"""docs/api.md, against the service: its curls are run, one after the other, in the page's order."""

from __future__ import annotations

import os
import re
import subprocess
from itertools import takewhile

from tests.testbed.commands import ROOT
from tests.testbed.programs import needs
from tests.testbed.service import NEVER, Service, StartService

PAGE = ROOT / "docs" / "api.md"
INDENT = "    "
BIND = "localhost:3333"
TOKEN = "secret"


def is_reply(line: str) -> bool:
    """Return whether a line may belong to the reply that is shown above it."""
    return not line or (line.startswith(INDENT) and not line.startswith(f"{INDENT}curl "))


def examples() -> list[tuple[str, str]]:
    """Return each curl of the page, with the reply that stands below it."""
    found = []
    lines = PAGE.read_text().splitlines()
    for number, line in enumerate(lines):
        if line.startswith(f"{INDENT}curl "):
            below = takewhile(is_reply, lines[number + 1 :])
            reply = "\n".join(each.removeprefix(INDENT) for each in below).strip()
            found.append((line.strip(), reply))
    return found


def run(service: Service, command: str) -> tuple[str, str]:
    """Run a curl of the page and return what it shows, and the reply's status."""
    command = command.replace(BIND, f"127.0.0.1:{service.port}")
    command = command.replace("curl ", "curl --silent --write-out '%{stderr}%{http_code}' ", 1)
    environment = {"PATH": os.environ["PATH"], "ADMIN_TOKEN": TOKEN}
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, env=environment, timeout=60
    )
    shown = "\n".join(line.rstrip() for line in done.stdout.splitlines()).rstrip()
    return shown.replace(f"127.0.0.1:{service.port}", BIND), done.stderr


def is_as_shown(shown: str, reply: str) -> bool:
    """Return whether a reply is as the page shows it, where "…" stands for anything."""
    pattern = ".*".join(re.escape(part) for part in shown.split("…"))
    return re.fullmatch(pattern, reply, re.DOTALL) is not None


@needs("curl")
def test_the_page_shows_what_the_service_replies(start_service: StartService) -> None:
    service = start_service(
        ADMIN_TOKEN=TOKEN,
        CORS_ORIGINS="https://shop.example",
        WEB_CONCURRENCY="1",
        FLUSH_INTERVAL=NEVER,
    )
    for command, shown in examples():
        service.request("GET", "/numbers?key=any&fresh=1")  # as if five seconds were over
        reply, status = run(service, command)
        assert is_as_shown(shown, reply), f"{command}\nshown: {shown}\nreply: {reply}"
        shown_status = re.match(r"HTTP/1.1 (\d+)", shown)
        assert status == (shown_status[1] if shown_status else "200"), command
