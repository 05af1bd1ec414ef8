"""`POST /increment`: from a request to increments, or to the reply that refuses it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from counters.config import config
from counters.identified import Identified, IdReused, identified
from counters.increments import BadIncrement, Batch, Increment, increments_of
from counters.journal import JournalUnwritable
from counters.receipt import Receipt
from counters.recorder import recorder
from counters.room import Limit
from counters.web import cors, idempotency, numbers, replies
from counters.web.bearer import has_token
from counters.web.bodies import parse_form, parse_json
from counters.web.lookup import Lookup
from counters.web.media_types import media_type_of, transfer_refusal
from counters.web.origins import may_count
from counters.web.replies import RECORDED, Reply
from counters.web.request import BadRequest, Fields, check_path_of_django, fields_of_django

PATH = "/increment"

Recordable = Increment | Batch | Identified
"""What is recorded of one request."""
Read = Callable[[bytes], Recordable | Reply]
"""Makes increments of a body, or the reply that refuses it."""
ReadBody = Callable[[bytes], Increment | Batch | Reply]
"""Does so whatever the id of the request is."""

_PARSERS: dict[str, Callable[[bytes], Increment | Batch]] = {
    "application/x-www-form-urlencoded": parse_form,
    "application/json": parse_json,
}

_MAX_PREFER_LENGTH = 1000
"""A longer wish is not looked at: a server may ignore any (RFC 7240, 2)."""

OTHER_METHOD = replies.not_allowed("POST")
"""The reply to another method than POST."""

_OTHER_TYPE = replies.error(
    415, f"Content-Type is neither {' nor '.join(_PARSERS)}", field="Content-Type"
)
_EMPTY = replies.error(400, "the body is empty: key and value belong into it", field="body")
_IN_QUERY = replies.error(
    400, "the body is empty: key and value belong into it, not into the URL", field="body"
)


def reader_of(fields: Fields) -> Read | Reply:
    """Return how the body of a request is read that has these fields.

    Where the headers are reason enough to refuse it, return the reply. Requests with the same
    headers may share what is returned.
    """
    if refusal := transfer_refusal(fields):
        return refusal
    settings = config()
    token = settings.increment_token
    if token and not has_token(fields.authorization, token):
        return replies.unauthorized(fields.authorization)
    if not may_count(settings.origins, fields.origin, fields.sec_fetch_site, fields.host):
        return replies.error(403, "web pages of this origin may not count", field="Origin")
    max_body_bytes = settings.max_body_bytes
    id_ = idempotency.id_of(fields.idempotency_key)
    if isinstance(id_, Reply):
        return id_
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

    return read if id_ is None else ReadIdentified(id_, read)


class ReadIdentified(msgspec.Struct, frozen=True, gc=False):
    """A `Read` of requests that have an id.

    Attributes:
        id: the id.
        read: reads the same request without it.
    """

    id: str
    read: ReadBody

    def __call__(self, body: bytes) -> Identified | Reply:
        found = self.read(body)
        return found if isinstance(found, Reply) else identified(self.id, found)


def _parser_of(fields: Fields) -> Callable[[bytes], Increment | Batch] | Reply:
    """Return what reads a body of this type, or the reply that refuses it."""
    media_type = media_type_of(fields)
    return media_type if isinstance(media_type, Reply) else _PARSERS.get(media_type, _OTHER_TYPE)


def representation(recorded: Recordable) -> Lookup:
    """Return what the reply needs that has the new totals (`Prefer: return=representation`)."""
    request = recorded.request if isinstance(recorded, Identified) else recorded
    keys = [increment.key for increment in increments_of(request)]

    def render(totals: Mapping[str, int]) -> Reply:
        pairs = numbers.pairs(keys, totals)
        detail = pairs[0] if isinstance(request, Increment) else pairs
        return replies.reply(200, detail, Preference_Applied="return=representation")

    return Lookup(keys, True, render)


def wants_representation(fields: Fields) -> bool:
    """Return whether a client wants the new totals (RFC 7240), and may read them."""
    if "return" not in fields.prefer.lower() or len(fields.prefer) > _MAX_PREFER_LENGTH:
        return False
    preferences = [each.partition(";")[0] for each in fields.prefer.lower().split(",")]
    wanted = ["".join(each.replace('"', "").split()) for each in preferences]
    # The first one counts where one is given twice (RFC 7240, 2).
    first = next((each for each in wanted if each.startswith("return=")), "")
    token = config().read_token
    may_read = not token or has_token(fields.authorization, token)
    return first == "return=representation" and may_read


@csrf_exempt  # callers carry no CSRF token and need none: no cookie of theirs is looked at
def increment(request: HttpRequest) -> HttpResponse:
    """Record the increments in the body: form-encoded `key` and `value`, or JSON."""
    fields = fields_of_django(request)
    try:
        check_path_of_django(request)
        reply = _answer(request, fields)
    except BadRequest as problem:
        reply = problem.reply
    return cors.allowed(fields, reply).to_django()


def _answer(request: HttpRequest, fields: Fields) -> Reply:
    if request.method != "POST":
        return other_method(request.method or "", fields)
    read = reader_of(fields)
    if isinstance(read, Reply):
        return read
    body = body_of_django(request)
    found = body if isinstance(body, Reply) else read(body)
    if isinstance(found, Reply):
        return found
    receipt = record(found)
    if isinstance(receipt, Reply):
        return receipt
    running = recorder()
    if running.waits_for_sync:
        running.wait_for_sync()
    reply = reply_to(receipt)
    if reply is RECORDED and wants_representation(fields):
        return representation(found).answer(failed=reply)
    return reply


def other_method(method: str, fields: Fields) -> Reply:
    """Return the reply to another method than POST."""
    return cors.preflight(fields, "POST") if cors.is_preflight(method, fields) else OTHER_METHOD


def body_of_django(request: HttpRequest) -> bytes | Reply:
    """Return the body of a request, or the reply that refuses it."""
    try:
        return request.body
    except RequestDataTooBig:
        return replies.body_too_large()
    except UnreadablePostError:
        return replies.error(400, "the body did not arrive whole", field="body")


def record(request: Recordable) -> Receipt | Reply:
    """Record one request. Return its receipt, or the reply that refuses it.

    Where the recorder waits for a sync, `reply_to` may be asked only after one.
    """
    try:
        receipt = recorder().record([request])
    except JournalUnwritable as problem:
        return replies.journal_unwritable(problem)
    return refusal(receipt.refused[0]) if receipt.refused else receipt


def refusal(why: Limit | IdReused) -> Reply:
    """Return the reply to a request that the recorder has refused."""
    return idempotency.REUSED if isinstance(why, IdReused) else replies.no_room(why)


def reply_to(receipt: Receipt) -> Reply:
    """Return the reply to a request that was recorded."""
    if recorder().waits_for_sync and not receipt.is_durable:
        return replies.sync_failed()
    return RECORDED
