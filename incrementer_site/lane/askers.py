"""Heads of requests for a total: alike but for their first line, which names the key.

A client that asks for many totals sends the same headers each time. So they are remembered without
the first line; otherwise each key would push out another head.
"""

from __future__ import annotations

import re
from typing import NamedTuple, NoReturn

from counters.web import numbers
from counters.web.lookup import Lookup
from counters.web.request import Fields, Request
from incrementer_site.lane.heads import Head, Headers, KnownHeads, has_id

_match_plain_line = re.compile(
    rb"GET ((/numbers/[\w.~-]{1,255})(?:\?(fresh=1))?) HTTP/1\.1"
).fullmatch
"""What nearly every first line looks like: nothing in it is escaped."""


class Asker(NamedTuple):
    """What the headers say of a request that asks for a total, and may."""

    fields: Fields
    headers: Headers
    style: int


class KnownAskers(KnownHeads[Asker]):
    """What a worker remembers of such heads, by their bytes without the first line."""

    def look_up(self, raw_head: bytes) -> tuple[Lookup, Head] | None:
        """Return what the reply needs, if the parser need not be asked; and the head."""
        line, _, rest = raw_head.partition(b"\r\n")
        asker = self.get(rest)
        if asker is None or not (plain := _match_plain_line(line)):
            return None
        target, path, query = plain.groups()
        fields = asker.fields._replace(query=query.decode()) if query else asker.fields
        lookup = numbers.total(Request("GET", path.decode(), fields))
        return lookup, head_of_lookup(b"GET", target, "1.1", asker.headers, asker.style)

    def remember_asker(self, raw_head: bytes, asker: Asker) -> None:
        line, _, rest = raw_head.partition(b"\r\n")
        is_plain = not asker.fields.if_none_match and not has_id(asker.headers)
        if is_plain and _match_plain_line(line):
            self.remember(rest, asker._replace(fields=asker.fields._replace(query="")))


def head_of_lookup(
    method: bytes, target: bytes, version: str, headers: Headers, style: int
) -> Head:
    return Head(_reads_nothing, 0, method, target, version, headers, style)


def _reads_nothing(body: bytes) -> NoReturn:
    raise AssertionError("a request for a total has no body that counts")
