"""The view that records increments."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError

from counters.buffer import BufferFull
from counters.config import config
from counters.journal import JournalUnwritable
from counters.parsing import BadRequest, parse_form, parse_json
from counters.service import service

RETRY_AFTER = 1
"""Seconds that a caller is asked to wait after a 503."""


class Recorded(HttpResponse):
    """The reply to an accepted request, which is always the same: 200 and a short JSON body.

    It becomes a full `HttpResponse` only where somebody looks inside.
    """

    BODY = b'{"ok":true}\n'

    def __init__(self) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if "_container" in self.__dict__:
            raise AttributeError(name)
        super().__init__(
            self.BODY,
            content_type="application/json",
            headers={"Content-Length": str(len(self.BODY))},
        )
        return getattr(self, name)


class RecordedAtOnce(Recorded):
    """The same for a batch, which is in the journal already, where `Buffer.group` writes later."""


def increment(request: HttpRequest) -> HttpResponse:
    """Record the increments in the body: form-encoded `key` and `value`, or JSON.

    With `JOURNAL_FSYNC=always` the caller of this view has to see to it that the reply waits for
    the sync: `durably` does.
    """
    settings = config()
    if request.method != "POST":
        return reply(405, {"error": "only POST is allowed"}, Allow="POST")
    if settings.token and not _has_token(request, settings.token):
        return reply(
            401,
            {"error": "Authorization: Bearer with the right token is needed"},
            **{"WWW-Authenticate": "Bearer"},
        )
    try:
        body = request.body
    except RequestDataTooBig:
        return body_too_large()
    except UnreadablePostError:
        return reply(400, {"error": "the body did not arrive whole", "field": "body"})
    if len(body) > settings.max_body_bytes:
        return body_too_large()
    try:
        if request.content_type == "application/x-www-form-urlencoded":
            one = parse_form(body)
        elif request.content_type == "application/json":
            parsed = parse_json(body)
            if isinstance(parsed, list):
                service().buffer.add_batch(parsed, body)
                return RecordedAtOnce()
            one = parsed
        else:
            return reply(
                415,
                {
                    "error": "Content-Type is neither application/x-www-form-urlencoded"
                    " nor application/json",
                    "field": "Content-Type",
                },
            )
        service().buffer.add(one.key, one.value)
    except BadRequest as error:
        return reply(400, error.detail)
    except BufferFull:
        limit = settings.max_pending_keys
        return unavailable({"error": f"{limit} keys wait to be flushed", "limit": limit})
    except JournalUnwritable as error:
        return journal_unwritable(error)
    return Recorded()


def durably(view: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Make an accepted request wait for the journal's sync where `JOURNAL_FSYNC` is `always`."""

    def wrapped(request: HttpRequest) -> HttpResponse:
        running = service()
        failures = running.buffer.sync_failures
        response = view(request)
        if running.sync_always and response.status_code == 200:
            running.syncer.wait_for_sync()
            if running.buffer.sync_failures != failures:
                return sync_failed()
        return response

    return wrapped


def only_chunked(
    view: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Refuse transfer codings other than chunked: servers do not undo them."""

    def wrapped(request: HttpRequest) -> HttpResponse:
        if request.META.get("HTTP_TRANSFER_ENCODING", "chunked").strip().lower() != "chunked":
            detail = {"error": "Transfer-Encoding is not chunked", "field": "Transfer-Encoding"}
            return reply(501, detail)
        return view(request)

    return wrapped


def body_too_large() -> HttpResponse:
    limit = config().max_body_bytes
    return reply(
        413, {"error": f"body is longer than {limit} bytes", "field": "body", "limit": limit}
    )


def journal_unwritable(error: JournalUnwritable) -> HttpResponse:
    return unavailable({"error": f"the journal cannot be written: {error}"})


def sync_failed() -> HttpResponse:
    """Return a 500: what the disk holds after a failed sync is not known."""
    error = "the journal could not be forced to disk: it is not known whether this counts"
    return reply(500, {"error": error})


def unavailable(detail: dict[str, Any]) -> HttpResponse:
    """Return a 503: nothing of the request counts, and the same request may succeed later."""
    return reply(503, detail, **{"Retry-After": str(RETRY_AFTER)})


def _has_token(request: HttpRequest, token: bytes) -> bool:
    scheme, _, credentials = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(
        credentials.strip().encode("utf-8", "replace"), token
    )


def reply(status: int, detail: dict[str, Any], **headers: str) -> HttpResponse:
    """Return `detail` as one line of JSON."""
    response = JsonResponse(detail, status=status, headers=headers)
    response.content += b"\n"
    response.headers["Content-Length"] = str(len(response.content))
    return response


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return reply(404, {"error": f"there is nothing at {request.path}: POST to /increment"})
