"""What a reply becomes for a client that has it already, or wants its head only."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from counters.web.replies import Reply, Stream
from counters.web.request import Request

Answer = TypeVar("Answer", Reply, Reply | Stream)


def for_client(request: Request, reply: Answer) -> Answer:
    """Return what is to be sent: without a body for HEAD; 304 where the client has it."""
    if isinstance(reply, Stream):
        return reply
    tag = dict(reply.headers).get("ETag")
    wanted = request.fields.if_none_match
    if tag and wanted and request.method in ("GET", "HEAD") and _matches(wanted, tag):
        return Reply(304, b"", reply.headers)
    return replace(reply, sends_body=False) if request.method == "HEAD" else reply


def _matches(if_none_match: str, tag: str) -> bool:
    """Return whether If-None-Match has a tag; a weak one counts as well (RFC 9110, 13.1.2)."""
    given = [each.strip().removeprefix("W/") for each in if_none_match.split(",")]
    return tag in given or given == ["*"]
