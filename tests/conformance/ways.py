"""Requests sent to the service each way, their replies, and the totals after them."""

from __future__ import annotations

from typing import Any

from tests.testbed.commands import GUNICORN, PLAIN_ASGI, WSGI
from tests.testbed.replies import read_replies
from tests.testbed.requests import build_request, chunked, talk
from tests.testbed.service import Service

WAYS = {"lane": GUNICORN, "asgi": PLAIN_ASGI, "wsgi": WSGI}
Services = dict[str, Service]
"""One service for each of `WAYS`."""
Answer = tuple[int, bytes, tuple[str | None, ...]]
"""Status, body, and the values of the headers in MEANINGFUL."""

TOKEN = "s3cret"
BEARER = f"Bearer {TOKEN}"
GOOD = b"key=KEY&value=3"
"""An increment; `send_each_way` puts a key of the same length into KEY's place."""
MEANINGFUL = (
    *("content-type", "content-length", "allow", "retry-after", "www-authenticate"),
    *("etag", "cache-control", "preference-applied", "vary", "access-control-allow-origin"),
)


def request(body: bytes = GOOD, *headers: str, token: str | None = BEARER, **options: Any) -> bytes:
    """Return a request's bytes, with the token; `options` are those of `build_request`."""
    return build_request(body, *headers, token=token, **options)


def in_chunks(*chunks: bytes) -> bytes:
    """Return a request with the token and a body in chunks."""
    head = request(b"", framed=False).removesuffix(b"\r\n")
    return head + chunked(*chunks)


LAST = request(b"", "Connection: close", line="GET /nothing HTTP/1.1", content_type=None)
"""A request that ends the connection: after its answer no other can come."""


def answers(received: bytes, *methods: str) -> list[Answer]:
    """Return, of every reply in `received`, what has to be the same each way.

    Args:
        methods: those of the first requests; of the others, none is HEAD.
    """
    return [
        (reply.status, reply.body, tuple(map(reply.headers.get, MEANINGFUL)))
        for reply in read_replies(received, *methods)
    ]


def send_each_way(ways: Services, key: str, raw: list[bytes]) -> list[Answer]:
    """Send the same bytes each way; return the answers, and leave the totals to `same_totals`."""
    sent = [piece.replace(b"KEY", key.encode()) for piece in raw] + [LAST]
    by_way = {name: answers(talk(service.port, sent)) for name, service in ways.items()}
    assert by_way["lane"] == by_way["asgi"]
    # Django's WSGI handler reads no body that has no Content-Length: it refuses those.
    if b"Transfer-Encoding" not in b"".join(raw):
        assert by_way["lane"] == by_way["wsgi"]
    assert by_way["lane"][-1][0] == 404
    return by_way["lane"][:-1]


def flushed_totals(service: Service) -> dict[str, int]:
    """Return the totals once all that was acknowledged is in them."""
    service.manage("flushnumbers")
    return service.totals()


def same_totals(ways: Services, expected: dict[str, int], *chunked_keys: str) -> None:
    """Assert that some keys have the `expected` totals each way.

    Increments of `chunked_keys` came in chunks: Django's WSGI handler has refused those.
    """
    for name, service in ways.items():
        totals = flushed_totals(service)
        for key, total in expected.items():
            refused = name == "wsgi" and key in chunked_keys
            assert totals.get(key, 0) == (0 if refused else total), (name, key)
