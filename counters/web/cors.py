"""Which web pages may read replies: what browsers call CORS (https://fetch.spec.whatwg.org/).

A browser sends a page's request anyway, unless it is one that forms cannot send; then it asks
before ("preflight"). CORS_ORIGINS names the pages that may read what is answered.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from counters.config import config
from counters.web import replies
from counters.web.replies import Reply, Stream
from counters.web.request import Fields

_EXPOSED = "ETag, Link, Preference-Applied, Retry-After"
_MAY_SEND = "Authorization, Content-Type, Idempotency-Key, If-None-Match, Prefer"
_PREFLIGHT_SECONDS = 3600
"""How long a browser need not ask again."""

Headers = tuple[tuple[str, str], ...]
Answer = TypeVar("Answer", Reply, Stream, Reply | Stream)


def headers_for(origin: str) -> Headers:
    """Return the headers of every reply to a page of `origin`; empty: to a program."""
    return all_headers()[place_of(origin)]


def allowed(fields: Fields, reply: Answer) -> Answer:
    """Return a reply with the headers that it has for the page which has asked."""
    headers = headers_for(fields.origin)
    return replace(reply, headers=_joined(reply.headers + headers)) if headers else reply


def _joined(headers: Headers) -> Headers:
    """Return headers with each name once: of two, Django and servers may send the last alone."""
    joined: dict[str, str] = {}
    for name, value in headers:
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return tuple(joined.items())


def place_of(origin: str) -> int:
    """Return which of `all_headers` the replies to an origin have."""
    allowed = config().cors_origins
    if not allowed or not origin:
        return 0
    if "*" in allowed:
        return 1
    origin = origin.strip().lower()
    return allowed.index(origin) + 1 if origin in allowed else 0


def all_headers() -> list[Headers]:
    """Return all headers that there are: for whoever may not read, and for each that may."""
    allowed = config().cors_origins
    if "*" in allowed:
        return [(), _allow("*")]
    # A cache must not give one page what was for another one.
    vary = (("Vary", "Origin"),) if allowed else ()
    return [vary, *((*_allow(origin), *vary) for origin in allowed)]


def _allow(origin: str) -> Headers:
    return (
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Expose-Headers", _EXPOSED),
    )


def is_preflight(method: str, fields: Fields) -> bool:
    asks = bool(fields.origin and fields.access_control_request_method)
    return method == "OPTIONS" and asks and bool(config().cors_origins)


def preflight(fields: Fields, methods: str) -> Reply:
    """Return the reply to a browser that asks what a page may send.

    Args:
        methods: those that there are, separated by commas.
    """
    if not place_of(fields.origin):
        sentence = "CORS_ORIGINS does not name this origin: its pages may not read replies"
        return replies.forbidden(sentence, field="Origin")
    return Reply(204, b"").with_headers(
        Access_Control_Allow_Methods=methods,
        Access_Control_Allow_Headers=_MAY_SEND,
        Access_Control_Max_Age=str(_PREFLIGHT_SECONDS),
    )
