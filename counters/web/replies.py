"""Replies: small values that Django's views and the increment lane both send.

Every error has the same shape: one line of JSON with `error`, a sentence; and where they are known
`field`, what was wrong, and `limit`, the limit that was not kept.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse

from counters.config import config
from counters.increments import BadIncrement
from counters.journal import JournalFull, JournalUnwritable
from counters.room import Limit

RETRY_AFTER_SECONDS = 1
"""How long a caller is asked to wait after a 503."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A status and a body: one line of JSON, if nothing else is said."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    """Besides Content-Type and Content-Length."""
    sends_body: bool = True
    """Whether the body goes with it; that of a reply to HEAD does not."""
    content_type: str = "application/json"

    @property
    def sent_body(self) -> bytes:
        return self.body if self.sends_body else b""

    def all_headers(self) -> list[tuple[str, str]]:
        """Return the headers, with those that every reply has."""
        if self.status in _WITHOUT_BODY:
            return list(self.headers)
        return [
            ("Content-Type", self.content_type),
            ("Content-Length", str(len(self.body))),
            *self.headers,
        ]

    def with_headers(self, **headers: str) -> Reply:
        """Return it with more headers. A name has "_" where it is sent with "-"."""
        return replace(self, headers=self.headers + _named(headers))

    def to_django(self) -> HttpResponse:
        response = HttpResponse(self.body, status=self.status, headers=dict(self.all_headers()))
        if self.status in _WITHOUT_BODY:
            del response["Content-Type"]
        return response


_WITHOUT_BODY = (204, 304)
"""No header is about the body of these either."""


class StreamEnded(Exception):
    """A stream has ended before its end: its client gets no last chunk."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A status, and a body that is made while it is sent. Nobody knows its length before."""

    status: int
    chunks: Generator[bytes, None, None]
    """Each may be taken in another thread. They may raise StreamEnded, and have to be closed."""
    content_type: str
    headers: tuple[tuple[str, str], ...] = ()
    """Besides Content-Type."""

    def all_headers(self) -> list[tuple[str, str]]:
        """Return the headers, with those that every stream has."""
        return [("Content-Type", self.content_type), *self.headers]

    def to_django(self) -> StreamingHttpResponse:
        headers = dict(self.all_headers())
        return StreamingHttpResponse(self.chunks, status=self.status, headers=headers)


def _named(headers: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((name.replace("_", "-"), value) for name, value in headers.items())


def reply(status: int, detail: Any, **headers: str) -> Reply:
    """Return the reply of `detail`, as JSON. A header's name has "_" where it is sent with "-"."""
    return Reply(status, json.dumps(detail).encode() + b"\n", _named(headers))


def tagged(detail: dict[str, Any], **headers: str) -> Reply:
    """Return a 200 that clients may keep, if they ask each time whether it is still right."""
    body = json.dumps(detail, ensure_ascii=False).encode() + b"\n"
    tag = blake2b(body, digest_size=12).hexdigest()
    return Reply(200, body, _named({"ETag": f'"{tag}"', "Cache-Control": "no-cache", **headers}))


RECORDED = Reply(200, b'{"ok":true}\n')
"""The reply to every accepted increment."""


def error(status: int, sentence: str, **more: Any) -> Reply:
    """Return an error. `more` goes into the JSON, too."""
    return reply(status, {"error": sentence, **more})


def bad_request(problem: BadIncrement) -> Reply:
    limit = {} if problem.limit is None else {"limit": problem.limit}
    return error(400, problem.error, field=problem.field, **limit)


def not_found(path: str) -> Reply:
    return error(404, f"there is nothing at {path}: POST to /increment")


def not_allowed(*methods: str) -> Reply:
    allowed = ", ".join(methods)
    return reply(405, {"error": f"only {allowed} is allowed"}, Allow=allowed)


def forbidden(sentence: str, **more: Any) -> Reply:
    return error(403, sentence, **more)


def unauthorized(authorization: str) -> Reply:
    """Return the reply to a request without the right token.

    Args:
        authorization: what it gives instead; empty where there is none.
    """
    sentence = "Authorization: Bearer with the right token is needed"
    if "," in authorization:  # which no token has: a header that is given twice is joined by it
        sentence = "Authorization is given twice"
    return reply(401, {"error": sentence}, WWW_Authenticate="Bearer")


def body_too_large() -> Reply:
    limit = config().max_body_bytes
    return error(413, f"body is longer than {limit} bytes", field="body", limit=limit)


def unavailable(sentence: str, **more: Any) -> Reply:
    """Return a 503: nothing of the request counts, and the same request may succeed later."""
    return reply(503, {"error": sentence, **more}, Retry_After=str(RETRY_AFTER_SECONDS))


def no_room(limit: Limit) -> Reply:
    return unavailable(limit.reached, limit=limit.most)


def journal_unwritable(problem: JournalUnwritable) -> Reply:
    if isinstance(problem, JournalFull):
        return unavailable(str(problem), limit=problem.limit_bytes)
    # What the system said is for those who are known: with a token, nobody else comes as far.
    detail = f": {problem}" if config().increment_token else ""
    return unavailable(f"the journal cannot be written{detail}")


def sync_failed() -> Reply:
    """Return a 500: what the disk holds after a failed sync is not known."""
    return error(
        500, "the journal could not be forced to disk: it is not known whether this counts"
    )


def totals_unavailable() -> Reply:
    return unavailable("the totals cannot be read just now: ask again")


def change_unknown() -> Reply:
    """Return a 500: a change was begun, and the database does not say how it ended."""
    return error(500, "the database does not answer: it is not known whether the total was changed")


def server_failed() -> Reply:
    return error(500, "the server failed; its log says how")
