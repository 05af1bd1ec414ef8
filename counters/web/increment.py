"""`POST /increment`: from a request to increments, or to the reply that refuses it."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, UnreadablePostError

from counters.config import config
from counters.increments import BadIncrement, Batch, Increment
from counters.journal import JournalUnwritable
from counters.recorder import recorder
from counters.web import replies
from counters.web.bodies import parse_form, parse_json
from counters.web.methods import allow
from counters.web.replies import Reply

PATH = "/increment"

Read = Callable[[bytes], Increment | Batch | Reply]
"""Makes increments of a body, or the reply that refuses it."""

_PARSERS: dict[str, Callable[[bytes], Increment | Batch]] = {
    "application/x-www-form-urlencoded": parse_form,
    "application/json": parse_json,
}

_OTHER_TYPE = replies.error(
    415, f"Content-Type is neither {' nor '.join(_PARSERS)}", field="Content-Type"
)


def reader_of(content_type: str, authorization: str, transfer_encoding: str) -> Read | Reply:
    """Return how the body of a request is read that has these headers; absent ones are empty.

    Where the headers are reason enough to refuse it, return the reply. Requests with the same
    headers may share what is returned.
    """
    if transfer_encoding and transfer_encoding.strip().lower() != "chunked":
        sentence = "Transfer-Encoding is not chunked"
        return replies.error(501, sentence, field="Transfer-Encoding")
    settings = config()
    if settings.token and not _has_token(authorization, settings.token):
        return replies.unauthorized()
    max_body_bytes = settings.max_body_bytes
    parse = _PARSERS.get(content_type.partition(";")[0].strip().lower())

    def read(body: bytes) -> Increment | Batch | Reply:
        if len(body) > max_body_bytes:
            return replies.body_too_large()
        if parse is None:
            return _OTHER_TYPE
        try:
            return parse(body)
        except BadIncrement as problem:
            return replies.bad_request(problem)

    return read


def _has_token(authorization: str, token: bytes) -> bool:
    scheme, _, credentials = authorization.partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(
        credentials.strip().encode("utf-8", "replace"), token
    )


@allow("POST")
def increment(request: HttpRequest) -> HttpResponse:
    """Record the increments in the body: form-encoded `key` and `value`, or JSON."""
    found = _read(request)
    return (found if isinstance(found, Reply) else _record(found)).to_django()


def _read(request: HttpRequest) -> Increment | Batch | Reply:
    read = reader_of(
        request.META.get("CONTENT_TYPE", ""),
        request.META.get("HTTP_AUTHORIZATION", ""),
        request.META.get("HTTP_TRANSFER_ENCODING", ""),
    )
    try:
        return read if isinstance(read, Reply) else read(request.body)
    except RequestDataTooBig:
        return replies.body_too_large()
    except UnreadablePostError:
        return replies.error(400, "the body did not arrive whole", field="body")


def _record(request: Increment | Batch) -> Reply:
    running = recorder()
    try:
        receipt = running.record([request])
    except JournalUnwritable as problem:
        return replies.journal_unwritable(problem)
    if receipt.refused:
        return replies.no_room(receipt.refused[0])
    if running.waits_for_sync:
        running.wait_for_sync()
        if not receipt.is_durable:
            return replies.sync_failed()
    return replies.RECORDED
