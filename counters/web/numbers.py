"""`GET /numbers/<key>` and `GET /numbers?key=…&key=…`: the totals of keys that the caller names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from counters.increments import check_key
from counters.web import replies
from counters.web.lookup import Lookup
from counters.web.parameters import Parameters
from counters.web.replies import Reply
from counters.web.request import BadRequest, Request

PATH = "/numbers"
PREFIX = f"{PATH}/"
"""The key stands behind it."""
MAX_KEYS = 1000
"""Most keys in one request."""

_encode = msgspec.json.Encoder().encode


def total(request: Request) -> Lookup:
    """Return what the reply about the key in the path needs.

    Raises:
        BadIncrement: it is no key.
        BadRequest: a parameter is wrong.
    """
    key = request.path.removeprefix(PREFIX)
    check_key(key)
    is_fresh = _is_fresh(request.fields.query)

    def render(totals: Mapping[str, int]) -> Reply:
        value = totals.get(key)
        return never_counted(key) if value is None else pair(key, value)

    return Lookup([key], is_fresh, render)


def _is_fresh(query: str) -> bool:
    if query in ("", "fresh=1"):  # as nearly all are
        return bool(query)
    return Parameters(query, "fresh").switch("fresh")


def pair(key: str, value: int) -> Reply:
    """Return the reply that says a key's total. The total says all: it is the ETag, too."""
    body = b'{"key": %b, "value": %d}\n' % (_encode(key), value)
    return Reply(200, body, (("ETag", f'"{value}"'), ("Cache-Control", "no-cache")))


def never_counted(key: str) -> Reply:
    return replies.error(404, f"{key} was never counted", field="key")


def totals(request: Request) -> Lookup:
    """Return what the reply about the keys in the query needs: a total for each, in their order.

    Raises:
        BadIncrement: something is no key.
        BadRequest: a parameter is wrong, or there are too many keys.
    """
    parameters = Parameters(request.fields.query, "key", "fresh")
    keys = parameters.all("key")
    if len(keys) > MAX_KEYS:
        raise BadRequest(f"more than {MAX_KEYS} keys", field="key", limit=MAX_KEYS)
    for key in keys:
        check_key(key)

    def render(totals: Mapping[str, int]) -> Reply:
        return replies.tagged({"numbers": pairs(keys, totals), "next": None})

    return Lookup(keys, parameters.switch("fresh"), render)


def pairs(keys: list[str], totals: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return a pair for each key; that of a key that was never counted has null."""
    return [{"key": key, "value": totals.get(key)} for key in keys]
