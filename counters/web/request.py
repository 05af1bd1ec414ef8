"""A request of the API, whichever server has read it."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote

from django.http import HttpRequest

from counters.web import replies


class Fields(NamedTuple):
    """What of a request's head matters; absent ones are empty.

    Of a header that is given twice the values are joined by a comma.
    """

    content_type: str = ""
    content_encoding: str = ""
    authorization: str = ""
    transfer_encoding: str = ""
    origin: str = ""
    sec_fetch_site: str = ""
    host: str = ""
    accept: str = ""
    prefer: str = ""
    if_none_match: str = ""
    access_control_request_method: str = ""
    idempotency_key: str | None = None
    """None where there is none: an empty one is refused."""
    query: str = ""
    """What stands behind the "?" of its target, as it was sent."""


HASH_IN_TARGET = "the address has a #: in a key it is %23"
"""Why such a request is refused: some would read on behind it, and others not."""


class Request(NamedTuple):
    method: str
    path: str
    """It begins with "/", and nothing in it is escaped."""
    fields: Fields
    body: bytes = b""


class BadRequest(Exception):
    """A request that is refused.

    Attributes:
        reply: what refuses it.
    """

    def __init__(self, sentence: str, *, field: str, **more: int) -> None:
        super().__init__(sentence)
        self.reply = replies.error(400, sentence, field=field, **more)


def unescaped_path(raw_path: bytes) -> str:
    """Return what a path means that is escaped as it was sent.

    Raises:
        BadRequest: it is not UTF-8.
    """
    try:
        return unquote(raw_path.decode(), errors="strict")
    except UnicodeDecodeError as error:
        raise BadRequest("the path is not valid UTF-8", field="path") from error


def fields_of_django(request: HttpRequest) -> Fields:
    names = {name: f"HTTP_{name.upper()}" for name in Fields._fields}
    names |= {"content_type": "CONTENT_TYPE", "query": "QUERY_STRING"}
    meta = request.META
    return Fields(**{field: meta[name] for field, name in names.items() if name in meta})


def check_path_of_django(request: HttpRequest) -> None:
    """Look at the path as it was sent, where the server tells: Django mends what is not UTF-8.

    Raises:
        BadRequest: it is not UTF-8, or has a "#" in it.
    """
    scope = getattr(request, "scope", {})
    sent = scope.get("raw_path") or request.META.get("RAW_URI", "").encode("latin1")
    if b"#" in sent:
        raise BadRequest(HASH_IN_TARGET, field="path")
    unescaped_path(sent.partition(b"?")[0])
