"""`POST /increment`: from a request to increments, or to the reply that refuses it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from counters.config import config
from counters.increments import BadIncrement, Batch, Increment
from counters.journal import JournalUnwritable
from counters.receipt import Receipt
from counters.recorder import recorder
from counters.web import replies
from counters.web.bearer import has_token
from counters.web.bodies import parse_form, parse_json
from counters.web.origins import may_count
from counters.web.replies import Reply

PATH = "/increment"

Read = Callable[[bytes], Increment | Batch | Reply]
"""Makes increments of a body, or the reply that refuses it."""

_PARSERS: dict[str, Callable[[bytes], Increment | Batch]] = {
    "application/x-www-form-urlencoded": parse_form,
    "application/json": parse_json,
}

OTHER_METHOD = replies.not_allowed("POST")
"""The reply to another method than POST."""

_OTHER_TYPE = replies.error(
    415, f"Content-Type is neither {' nor '.join(_PARSERS)}", field="Content-Type"
)
_TWO_TYPES = replies.error(400, "Content-Type is given twice", field="Content-Type")
_ENCODED = replies.reply(
    415,
    {
        "error": "Content-Encoding is not identity: send the body as it is",
        "field": "Content-Encoding",
    },
    Accept_Encoding="identity",
)
_EMPTY = replies.error(400, "the body is empty: key and value belong into it", field="body")
_IN_QUERY = replies.error(
    400, "the body is empty: key and value belong into it, not into the URL", field="body"
)


class Fields(NamedTuple):
    """What of a request's head matters to an increment; absent ones are empty.

    Of a header that is given twice the values are joined by a comma.
    """

    content_type: str = ""
    content_encoding: str = ""
    authorization: str = ""
    transfer_encoding: str = ""
    origin: str = ""
    sec_fetch_site: str = ""
    host: str = ""
    query: str = ""
    """What stands behind the "?" of its target."""


def reader_of(fields: Fields) -> Read | Reply:
    """Return how the body of a request is read that has these fields.

    Where the headers are reason enough to refuse it, return the reply. Requests with the same
    headers may share what is returned.
    """
    transfer_encoding = fields.transfer_encoding.strip().lower()
    if transfer_encoding not in ("", "chunked"):
        sentence = "Transfer-Encoding is not chunked"
        return replies.error(501, sentence, field="Transfer-Encoding")
    settings = config()
    token = settings.increment_token
    if token and not has_token(fields.authorization, token):
        return replies.unauthorized(fields.authorization)
    if not may_count(settings.origins, fields.origin, fields.sec_fetch_site, fields.host):
        return replies.error(403, "web pages of this origin may not count", field="Origin")
    max_body_bytes = settings.max_body_bytes
    parse = _parser_of(fields)

    def read(body: bytes) -> Increment | Batch | Reply:
        if len(body) > max_body_bytes:
            return replies.body_too_large()
        if not body:
            return _IN_QUERY if fields.query else _EMPTY
        if isinstance(parse, Reply):
            return parse
        try:
            return parse(body)
        except BadIncrement as problem:
            return replies.bad_request(problem)

    return read


def _parser_of(fields: Fields) -> Callable[[bytes], Increment | Batch] | Reply:
    """Return what reads a body of this type, or the reply that refuses it."""
    if fields.content_encoding.strip().lower() not in ("", "identity"):
        return _ENCODED
    media_type = fields.content_type.partition(";")[0].strip().lower()
    if "," in media_type:
        return _TWO_TYPES
    return _PARSERS.get(media_type, _OTHER_TYPE)


@csrf_exempt  # callers carry no CSRF token and need none: no cookie of theirs is looked at
def increment(request: HttpRequest) -> HttpResponse:
    """Record the increments in the body: form-encoded `key` and `value`, or JSON."""
    if request.method != "POST":
        return OTHER_METHOD.to_django()
    found = _read(request)
    return (found if isinstance(found, Reply) else _answer(found)).to_django()


def _read(request: HttpRequest) -> Increment | Batch | Reply:
    fields = Fields(
        content_type=request.META.get("CONTENT_TYPE", ""),
        content_encoding=request.META.get("HTTP_CONTENT_ENCODING", ""),
        authorization=request.META.get("HTTP_AUTHORIZATION", ""),
        transfer_encoding=request.META.get("HTTP_TRANSFER_ENCODING", ""),
        origin=request.META.get("HTTP_ORIGIN", ""),
        sec_fetch_site=request.META.get("HTTP_SEC_FETCH_SITE", ""),
        host=request.META.get("HTTP_HOST", ""),
        query=request.META.get("QUERY_STRING", ""),
    )
    read = reader_of(fields)
    try:
        return read if isinstance(read, Reply) else read(request.body)
    except RequestDataTooBig:
        return replies.body_too_large()
    except UnreadablePostError:
        return replies.error(400, "the body did not arrive whole", field="body")


def _answer(request: Increment | Batch) -> Reply:
    receipt = record(request)
    if isinstance(receipt, Reply):
        return receipt
    running = recorder()
    if running.waits_for_sync:
        running.wait_for_sync()
    return reply_to(receipt)


def record(request: Increment | Batch) -> Receipt | Reply:
    """Record one request. Return its receipt, or the reply that refuses it.

    Where the recorder waits for a sync, `reply_to` may be asked only after one.
    """
    try:
        receipt = recorder().record([request])
    except JournalUnwritable as problem:
        return replies.journal_unwritable(problem)
    return replies.no_room(receipt.refused[0]) if receipt.refused else receipt


def reply_to(receipt: Receipt) -> Reply:
    """Return the reply to a request that was recorded."""
    if recorder().waits_for_sync and not receipt.is_durable:
        return replies.sync_failed()
    return replies.RECORDED
