"""How fast each kind of request is answered: what clients send, and what misses the lane."""

from __future__ import annotations

from statistics import median

from tqdm import tqdm

from benchmarks.contestants import INCREMENTER
from benchmarks.load import Void, wrk

_LANE, _EVENT_LOOP = "the lane", "the event loop, outside the lane"

WAYS = {
    "form": ("an increment over HTTP/1.1", _LANE),
    "old": ("HTTP/1.0 with `Connection: keep-alive` (ab -k)", _LANE),
    "absolute": ("an absolute target (a client that takes it for a proxy)", _LANE),
    "expect": ("`Expect: 100-continue` (curl, long bodies)", _LANE),
    "chunked": ("a body in chunks", _LANE),
    "health": ("`GET /readyz`", _LANE),
    "spelled": ("another spelling of the path, `/%69ncrement`", _EVENT_LOOP),
    "closed": ("a new connection for each, `Connection: close`", _LANE),
    "old, closed": ("a new connection for each, HTTP/1.0 (nginx's default, ab)", _LANE),
}
"""For each kind of request that requests.lua makes: what it is, and what answers it."""


def ways_table(rounds: int, seconds: float) -> list[str]:
    """Measure each of `WAYS`, and return the results as Markdown."""
    rates: dict[str, list[float]] = {kind: [] for kind in WAYS}
    for kind in tqdm([*WAYS] * rounds, unit="way"):
        with INCREMENTER.running() as server:
            try:
                rates[kind].append(wrk(server.port, seconds, kind).requests_per_second)
            except Void as void:
                return [f"{WAYS[kind][0]}: void: {void}"]
    lines = ["| what comes | answered by | requests/s | ratio |", "|---|---|---:|---:|"]
    usual = median(rates["form"])
    for kind, (what, who) in WAYS.items():
        rate = median(rates[kind])
        lines.append(f"| {what} | {who} | {rate:,.0f} | {rate / usual:.2f} |")
    return lines
