"""Health, as an orchestrator asks for it. Each worker process answers for itself."""

from __future__ import annotations

import time
from typing import Any

from django.http import HttpRequest, HttpResponse

from counters.flusher import Flusher
from counters.service import Service, service
from counters.views import reply, unavailable

UNREADY_AFTER = 60
"""Seconds without a good flush, or within one, after which a worker is not ready."""


def healthz(request: HttpRequest) -> HttpResponse:
    """Say that the process lives, and how it does."""
    return reply(200, _state(service()))


def readyz(request: HttpRequest) -> HttpResponse:
    """Say whether increments are accepted and flushed: 200, or 503 with the reason."""
    running = service()
    state = _state(running)
    reason = running.buffer.refusal or _flush_trouble(running.flusher)
    return unavailable({"reason": reason, **state}) if reason else reply(200, state)


def _flush_trouble(flusher: Flusher) -> str:
    long_ago = time.monotonic() - UNREADY_AFTER
    if flusher.failures and flusher.last_success < long_ago:
        return "the flush fails"
    began = flusher.began
    return "the flush does not end" if began is not None and began < long_ago else ""


def _state(running: Service) -> dict[str, Any]:
    buffer, flusher = running.buffer, running.flusher
    return {
        "pending_keys": buffer.pending_keys,
        "journal_bytes": buffer.pending_bytes,
        "seconds_since_flush": round(time.monotonic() - flusher.last_success, 1),
        "last_error": flusher.last_error or buffer.write_error,
    }
