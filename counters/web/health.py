"""Health, as an orchestrator asks for it. Each process answers for itself.

Anyone learns whether the process is alive and ready, and why not in one word. What the database and
the system said may hold addresses and paths: only who has INCREMENT_TOKEN gets that.
"""

from __future__ import annotations

from typing import Any

from counters.config import config
from counters.recorder import recorder
from counters.state import State
from counters.web import replies
from counters.web.bearer import has_token
from counters.web.replies import Reply
from counters.web.request import Request

HEALTHZ, READYZ = PATHS = ("/healthz", "/readyz")


def answer(request: Request) -> Reply:
    """Return the reply to a request for one of `PATHS`. It waits for nothing."""
    state = recorder().state()
    trouble = state.trouble
    why = {"why": trouble.why} if trouble else {}
    is_known = has_token(request.fields.authorization, config().increment_token)
    details = _details(state) if is_known else {}
    if request.path == HEALTHZ:
        return replies.reply(200, {"alive": True, "ready": not trouble, **why, **details})
    if trouble is None:
        return replies.reply(200, {"ready": True, **details})
    return replies.unavailable(trouble.sentence, **why, **details)


def _details(state: State) -> dict[str, Any]:
    return {
        "pending_keys": state.buffer.pending_keys,
        "pending_ids": state.buffer.pending_ids,
        "journal_bytes": state.buffer.journal_bytes,
        "seconds_since_flush": round(state.flusher.seconds_since_flush, 1),
        "last_error": state.last_error,
    }
