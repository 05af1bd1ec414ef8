"""`make siege`: sends a running service the load of siege/urls.txt and checks its totals.

For each request that was answered, siege prints a line of CSV with the number of the request's line
in the file. From these lines this program knows by how much each total has to grow.

When its time is up, siege drops the requests that have no answer yet, at most one for each of its
users, and the last lines of its CSV. These requests may count or not. Nobody else may count under
the same keys meanwhile.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import django
from django.core.management import call_command

from siege.url_file import BadUrlFile, Request, read_requests
from siege.url_gen import URLS

# The user's own configuration may switch off what is needed here. So siege gets this one.
SIEGERC = """\
verbose = true
csv = true
color = off
json_output = false
logging = false
show-logfile = false
protocol = HTTP/1.1
connection = close
parser = false
limit = 1024
"""


def acknowledged(output: Iterable[str], requests: Sequence[Request]) -> list[Request]:
    """Return each request that siege's `output` shows answered with 200."""
    rows = (row for row in csv.reader(output) if len(row) == 7 and row[1] == "200")
    return [requests[int(row[5])] for row in rows]


def run_siege(urls: Path, users: int, seconds: int, log: Path) -> str:
    """Run siege, its CSV going to `log`, and return its summary.

    Raises:
        subprocess.TimeoutExpired: siege has not ended in time; it sometimes hangs
            (https://github.com/JoeDog/siege/issues/4).
    """
    rc = log.with_name("siegerc")
    rc.write_text(SIEGERC)
    command = ["siege", "-R", str(rc), "-f", str(urls), "-c", str(users), "-i", "-t", f"{seconds}S"]
    print("$", *command, flush=True)
    with log.open("w") as output:
        done = subprocess.run(
            command, stdout=output, stderr=subprocess.PIPE, text=True, timeout=seconds + 20
        )
    if done.returncode:
        sys.exit(f"siege failed:\n{done.stderr}")
    return done.stderr


def totals(keys: Iterable[str]) -> Counter[str]:
    """Return the totals of `keys`, after a flush of everything acknowledged so far."""
    from counters.models import Number

    call_command("flushnumbers")
    return Counter(dict(Number.objects.filter(key__in=set(keys)).values_list("key", "value")))


def problems(
    sent: Counter[str],
    growth: Counter[str],
    unlisted: int,
    availability: float,
    least: Mapping[str, int] = {},
) -> list[str]:
    """Return what is wrong, one sentence for each thing.

    Args:
        sent: for each key, the sum of the increments that siege lists as answered.
        growth: for each key, by how much its total grew.
        unlisted: the most that requests which siege does not list may have added, in all.
        availability: what siege says: the percentage of requests that were answered.
        least: for keys that are counted down, too: the least that those requests may have added.
    """
    found = [
        f"key {key}: {acknowledged_sum} was acknowledged, the total grew by {growth[key]}"
        for key, acknowledged_sum in sent.items()
        if growth[key] < acknowledged_sum + least.get(key, 0)
    ]
    excess = growth.total() - sent.total()
    if excess > unlisted:
        found.append(
            f"the totals grew by {excess} more than siege lists as answered, and it can be"
            f" {unlisted} at most"
        )
    if availability < 100:
        found.append(f"the availability was {availability} %")
    if not sent:
        found.append("siege sent nothing")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--urls", type=Path, default=URLS)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=20)
    options = parser.parse_args()
    if not shutil.which("siege"):
        sys.exit(
            "siege is not installed: apt install siege, dnf install siege or brew install siege."
        )
    try:
        requests = read_requests(options.urls, os.environ)
    except BadUrlFile as problem:
        sys.exit(str(problem))
    url = requests[0].url
    try:
        urllib.request.urlopen(url)
    except urllib.error.HTTPError:
        pass  # it answers
    except OSError as error:
        sys.exit(
            f"Nothing answers at {url} ({error}). Start the service first: make run. If it has"
            " another HOST or PORT, set them here, too."
        )

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "incrementer_site.settings")
    django.setup()
    keys = [request.key for request in requests]
    with tempfile.TemporaryDirectory() as folder:
        log, urls = Path(folder) / "siege.csv", Path(folder) / "urls.txt"
        urls.write_text("".join(f"{request}\n" for request in requests))
        try:
            before = totals(keys)
            summary = run_siege(urls, options.users, options.seconds, log)
        except subprocess.TimeoutExpired:
            print("siege did not end: it is started once more.", flush=True)
            before = totals(keys)
            summary = run_siege(urls, options.users, options.seconds, log)
        with log.open() as output:
            listed = acknowledged(output, requests)
    print(summary)
    sent: Counter[str] = Counter()
    for request in listed:
        sent[request.key] += request.value
    growth = totals(keys)
    growth.subtract(before)

    match = re.search(r"Availability:\s+([\d.]+)", summary)
    availability = float(match[1]) if match else 0.0
    answered = re.search(r"Transactions:\s+(\d+)", summary)
    cut_off = int(answered[1]) - len(listed) if answered else 0
    in_flight = options.users + cut_off
    unlisted = in_flight * max(request.value for request in requests)
    least: Counter[str] = Counter()
    for request in requests:
        least[request.key] = min(least[request.key], in_flight * request.value)
    print(
        f"Acknowledged {sent.total()}, the totals grew by {growth.total()} (at the end {cut_off}"
        f" answers were not listed, and at most {options.users} requests were in flight)."
    )
    if found := problems(sent, growth, unlisted, availability, least):
        sys.exit("\n".join(["WRONG:", *found]))
    print("Every acknowledged increment is in the totals, and none twice.")


if __name__ == "__main__":
    main()
