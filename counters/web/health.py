"""Health, as an orchestrator asks for it. Each process answers for itself.

Anyone learns whether the process is alive and ready, and why not in one word. What the database and
the system said may hold addresses and paths: only who has INCREMENT_TOKEN gets that.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from counters.config import config
from counters.recorder import recorder
from counters.state import State
from counters.web import replies
from counters.web.bearer import has_token
from counters.web.replies import Reply

HEALTHZ, READYZ = PATHS = ("/healthz", "/readyz")

_METHODS = ("GET", "HEAD")


def answer(path: str, method: str, authorization: str) -> Reply:
    """Return the reply to a request for one of `PATHS`. It waits for nothing.

    Args:
        authorization: the value of that header; empty where there is none.
    """
    if method not in _METHODS:
        return replies.not_allowed(*_METHODS)
    state = recorder().state()
    trouble = state.trouble
    why = {"why": trouble.why} if trouble else {}
    details = _details(state) if has_token(authorization, config().increment_token) else {}
    if path == HEALTHZ:
        return replies.reply(200, {"alive": True, "ready": not trouble, **why, **details})
    if trouble is None:
        return replies.reply(200, {"ready": True, **details})
    return replies.unavailable(trouble.sentence, **why, **details)


def _details(state: State) -> dict[str, Any]:
    return {
        "pending_keys": state.buffer.pending_keys,
        "journal_bytes": state.buffer.journal_bytes,
        "seconds_since_flush": round(state.flusher.seconds_since_flush, 1),
        "last_error": state.last_error,
    }


@csrf_exempt
def healthz(request: HttpRequest) -> HttpResponse:
    """Say that the process lives, and whether it is ready."""
    return _answer(HEALTHZ, request)


@csrf_exempt
def readyz(request: HttpRequest) -> HttpResponse:
    """Say whether increments are accepted and flushed: 200, or 503 with the reason."""
    return _answer(READYZ, request)


def _answer(path: str, request: HttpRequest) -> HttpResponse:
    method, authorization = request.method or "", request.META.get("HTTP_AUTHORIZATION", "")
    return answer(path, method, authorization).to_django()
