"""How often one address may try to log in.

A try costs a third of a second of CPU (PBKDF2). So it is refused on the event loop, before a thread
or a hash is spent on it. Nobody is locked out by name, and nobody for long: after some seconds the
address has another try.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from ipaddress import IPv6Address, ip_address
from typing import Any

from incrementer_site.messages import send_whole

_BURST = 10
"""Tries that an address has at once."""
_SECONDS_PER_TRY = 6.0
"""After so long it has one more."""
_MAX_ADDRESSES = 10_000
"""Addresses that are remembered; past it, the one whose last try is oldest is forgotten."""

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Too many logins</title>
<style>:root {{ color-scheme: light dark }} body {{ font: 1rem/1.5 system-ui, sans-serif;
max-width: 30rem; margin: 15vh auto; padding: 0 1rem }}</style>
<h1>Too many logins</h1>
<p>Somebody at your address tries to log in too often. Go back, and try again in {wait}.</p>
</html>
"""


class LoginThrottle:
    """The tries of each address: some at once, and one more every few seconds."""

    def __init__(self) -> None:
        # When an address has all its tries again, in seconds of the clock. Each try moves it on.
        # Example: a new address tries three times at 100 s: it is 118 s then.
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def seconds_to_wait(self, host: str, now: float) -> int:
        """Count a try and return 0; where there is none left, return after how long there is one.

        Args:
            host: the client's address; empty where it has none, on a Unix socket.
            now: seconds on a clock that never goes back.
        """
        address = _network(host)
        full_at = max(self._full_at.get(address, now), now) + _SECONDS_PER_TRY
        too_early_seconds = full_at - now - _BURST * _SECONDS_PER_TRY
        if too_early_seconds > 0:
            return math.ceil(too_early_seconds)
        self._full_at[address] = full_at
        self._full_at.move_to_end(address)
        if len(self._full_at) > _MAX_ADDRESSES:
            self._full_at.popitem(last=False)
        return 0


def _network(host: str) -> str:
    """Return what one client cannot change at will: its IPv4 address, or the /64 of its IPv6 one.

    On an IPv6 socket, an IPv4 client is ::ffff:192.0.2.1: all of them share one /64.
    """
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or int(address) >> 64)
    return host


async def send_too_many(seconds_to_wait: int, send: Any) -> None:
    """Tell a person in a browser to wait."""
    seconds = "1 second" if seconds_to_wait == 1 else f"{seconds_to_wait} seconds"
    body = _PAGE.format(wait=seconds).encode()
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Length": str(len(body)),
        "Retry-After": str(seconds_to_wait),
        "Cache-Control": "no-store",
    }
    await send_whole(429, headers, body, send)
