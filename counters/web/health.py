"""Health, as an orchestrator asks for it. Each process answers for itself."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse

from counters.recorder import recorder
from counters.state import State
from counters.web.methods import allow
from counters.web.replies import reply, unavailable


@allow("GET", "HEAD")
def healthz(request: HttpRequest) -> HttpResponse:
    """Say that the process lives, and how it does."""
    return reply(200, _shown(recorder().state())).to_django()


@allow("GET", "HEAD")
def readyz(request: HttpRequest) -> HttpResponse:
    """Say whether increments are accepted and flushed: 200, or 503 with the reason."""
    state = recorder().state()
    if state.trouble:
        return unavailable(state.trouble, **_shown(state)).to_django()
    return reply(200, _shown(state)).to_django()


def _shown(state: State) -> dict[str, Any]:
    return {
        "pending_keys": state.buffer.pending_keys,
        "journal_bytes": state.buffer.journal_bytes,
        "seconds_since_flush": round(state.flusher.seconds_since_flush, 1),
        "last_error": state.last_error,
    }
