"""`POST /increment`: from a request to increments, or to the reply that refuses it."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import NamedTuple

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, UnreadablePostError

from counters.config import config
from counters.increments import BadIncrement, Batch, Increment
from counters.journal import JournalUnwritable
from counters.recorder import recorder
from counters.web import replies
from counters.web.bodies import parse_form, parse_json
from counters.web.methods import allow
from counters.web.origins import may_count
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


class Headers(NamedTuple):
    """What of a request's headers matters to an increment; absent ones are empty."""

    content_type: str = ""
    authorization: str = ""
    transfer_encoding: str = ""
    origin: str = ""
    sec_fetch_site: str = ""
    host: str = ""


def reader_of(headers: Headers) -> Read | Reply:
    """Return how the body of a request is read that has these headers.

    Where the headers are reason enough to refuse it, return the reply. Requests with the same
    headers may share what is returned.
    """
    transfer_encoding = headers.transfer_encoding.strip().lower()
    if transfer_encoding not in ("", "chunked"):
        sentence = "Transfer-Encoding is not chunked"
        return replies.error(501, sentence, field="Transfer-Encoding")
    settings = config()
    if settings.token and not _has_token(headers.authorization, settings.token):
        return replies.unauthorized()
    if not may_count(settings.origins, headers.origin, headers.sec_fetch_site, headers.host):
        return replies.error(403, "web pages of this origin may not count", field="Origin")
    max_body_bytes = settings.max_body_bytes
    parse = _PARSERS.get(headers.content_type.partition(";")[0].strip().lower())

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
    headers = Headers(
        content_type=request.META.get("CONTENT_TYPE", ""),
        authorization=request.META.get("HTTP_AUTHORIZATION", ""),
        transfer_encoding=request.META.get("HTTP_TRANSFER_ENCODING", ""),
        origin=request.META.get("HTTP_ORIGIN", ""),
        sec_fetch_site=request.META.get("HTTP_SEC_FETCH_SITE", ""),
        host=request.META.get("HTTP_HOST", ""),
    )
    read = reader_of(headers)
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
        return replies.no_room()
    if running.waits_for_sync:
        running.wait_for_sync()
        if not receipt.is_durable:
            return replies.sync_failed()
    return replies.RECORDED
