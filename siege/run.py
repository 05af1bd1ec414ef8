"""Run the load test against a service that runs here, and check its totals: `make siege`.

siege does not say which of the URLs it sent, so each gets the number of its line as a query string,
which the service ignores and siege repeats in what it prints.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

ROOT = Path(__file__).resolve().parent.parent
CLIENTS = 200
COMMAND = ["siege", f"-c{CLIENTS}", "-i", "-t20S"]
CONFIG = """\
verbose = true
color = off
logging = false
fullurl = true
protocol = HTTP/1.1
connection = close
parser = false
timeout = 30
"""
_SENT = re.compile(r"^HTTP/1\.1 200 .*\?line=(\d+)", re.MULTILINE)


def main() -> None:
    lines = (ROOT / "siege" / "urls.txt").read_text().splitlines()
    service = urlsplit(lines[0].partition(" ")[0])
    try:
        socket.create_connection((service.hostname, service.port), timeout=5).close()
    except OSError:
        sys.exit(f"Nothing answers at {service.netloc}: start the service first, with make run.")
    if not shutil.which("siege"):
        sys.exit("siege is not installed: apt-get install siege, or brew install siege.")
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "incrementer_site.settings")
    import django

    django.setup()
    before = _totals()
    log, summary = _siege(lines)
    print(summary)
    acknowledged: Counter[str] = Counter()
    for number in _SENT.findall(log):
        form = parse_qs(lines[int(number)].partition(" POST ")[2])
        acknowledged[form["key"][0]] += int(form["value"][0])
    grown = _totals()
    grown.subtract(before)
    _judge(summary, acknowledged, grown)


def _totals() -> Counter[str]:
    from django.core.management import call_command

    from counters.models import Number

    call_command("flushnumbers")
    return Counter(dict(Number.objects.values_list("key", "value")))


def _siege(lines: list[str]) -> tuple[str, str]:
    """Return siege's log, a line for each transaction, and its summary."""
    with tempfile.TemporaryDirectory() as folder:
        urls, config = Path(folder, "urls.txt"), Path(folder, "siege.conf")
        urls.write_text(
            "".join(
                line.replace(" POST ", f"?line={number} POST ") + "\n"
                for number, line in enumerate(lines)
            )
        )
        config.write_text(CONFIG)
        print(*COMMAND, "-f siege/urls.txt", flush=True)
        try:
            run = subprocess.run(
                [*COMMAND, "-f", str(urls), "-R", str(config)],
                capture_output=True,
                text=True,
                timeout=60,
                env={**os.environ, "HOME": folder},  # siege writes a configuration there
            )
        except subprocess.TimeoutExpired:  # as it does when the service goes away meanwhile
            sys.exit("FAILED: siege did not come to an end.")
    _, found, summary = run.stderr.partition("Transactions:")
    if not found:
        sys.exit(f"FAILED: siege did not work:\n{run.stderr}")
    return run.stdout, found + summary


def _judge(summary: str, acknowledged: Counter[str], grown: Counter[str]) -> None:
    """Compare key by key. At its end siege hangs up on the requests that are just under way."""
    lost = sum((acknowledged - grown).values())
    unanswered = sum((grown - acknowledged).values())
    print(f"Acknowledged to siege:     {acknowledged.total():12}")
    print(f"Growth of the totals:      {grown.total():12}")
    print(f"Lost:                      {lost:12}")
    print(f"Counted without an answer: {unanswered:12}  (cut off at the end)")
    if lost or unanswered > CLIENTS * 100 or not re.search(r"Availability:\s+100\.00", summary):
        sys.exit("FAILED: increments were lost or counted twice, or not every one was answered.")


if __name__ == "__main__":
    main()
