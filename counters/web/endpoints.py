"""All that the API answers, besides increments: which function, and who may ask.

A function gets a request and returns a reply, or what it needs for one. Each server calls it in its
own way: Django's views wait, and the event loop has a thread wait.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.db import Error as DatabaseError

from counters.config import config
from counters.increments import BadIncrement
from counters.totals import close_connection
from counters.web import (
    badge,
    cors,
    export,
    health,
    home,
    listing,
    numbers,
    openapi,
    replies,
    setting,
)
from counters.web.bearer import has_token
from counters.web.lookup import Lookup, log_failure
from counters.web.replies import Reply, Stream
from counters.web.request import BadRequest, Request

Answer = Reply | Lookup | Stream


@dataclass(frozen=True, slots=True)
class Handler:
    """What answers one method of an endpoint."""

    answer: Callable[[Request], Answer]
    """It may raise BadIncrement and BadRequest."""
    waits: Callable[[Request], bool] = lambda request: False
    """Whether it waits for the database, or takes long: then it is called in a thread."""
    longest_seconds: float = 10.0
    """How long that may take, where nobody waits for ever. A list of values is waited for for 5."""
    reads_body: bool = False
    reads_totals: bool = True
    """Whether READ_TOKEN guards it."""
    sets_totals: bool = False
    """Whether ADMIN_TOKEN guards it, and nothing else."""


_SET_SECONDS = 60.0
"""Some statements, each of which may wait for a lock, and work that takes long."""


def _always(request: Request) -> bool:
    return True


Endpoint = Mapping[str, Handler]
"""The handlers, by their methods. GET answers HEAD, too."""

_TOTAL: Endpoint = {
    "GET": Handler(numbers.total),
    "PUT": Handler(
        setting.put, _always, longest_seconds=_SET_SECONDS, reads_body=True, sets_totals=True
    ),
    "DELETE": Handler(setting.delete, _always, longest_seconds=_SET_SECONDS, sets_totals=True),
}
_HEALTH: Endpoint = {"GET": Handler(health.answer, reads_totals=False)}
_EXACT: dict[str, Endpoint] = {
    home.PATH: {"GET": Handler(home.answer, reads_totals=False)},
    openapi.PATH: {"GET": Handler(openapi.answer, reads_totals=False)},
    "/healthz": _HEALTH,
    "/readyz": _HEALTH,
    numbers.PATH: {"GET": Handler(listing.answer, waits=listing.is_page)},
    **{
        path: {
            "GET": Handler(export.answer, _always, longest_seconds=export.LONGEST_SECONDS),
        }
        for path in export.PATHS
    },
}
_BADGE: Endpoint = {"GET": Handler(badge.answer)}


def endpoint_at(path: str) -> Endpoint | None:
    """Return what answers at a path; None where nothing does."""
    if path.startswith(numbers.PREFIX):
        return _TOTAL
    if path.startswith(badge.PREFIX) and path.endswith(badge.SUFFIX):
        return _BADGE
    return _EXACT.get(path)


def handler_of(request: Request, endpoint: Endpoint) -> Handler | Reply:
    """Return what answers a request, or the reply that refuses it. The body is not looked at."""
    methods = [*endpoint, "HEAD"] if "GET" in endpoint else list(endpoint)
    if cors.is_preflight(request.method, request.fields):
        return cors.preflight(request.fields, ", ".join(methods))
    handler = endpoint.get("GET" if request.method == "HEAD" else request.method)
    if handler is None:
        return replies.not_allowed(*methods)
    return _refusal(request, handler) or handler


def _refusal(request: Request, handler: Handler) -> Reply | None:
    settings, authorization = config(), request.fields.authorization
    if handler.sets_totals and not settings.admin_token:
        return replies.forbidden("totals can be set once the service has an ADMIN_TOKEN")
    token = b""
    if handler.sets_totals:
        token = settings.admin_token
    elif handler.reads_totals:
        token = settings.read_token
    if token and not has_token(authorization, token):
        return replies.unauthorized(authorization)
    return None


def answer(handler: Handler, request: Request) -> Answer:
    """Call a handler; return the reply that refuses the request, where it does."""
    try:
        return handler.answer(request)
    except (DatabaseError, OSError) as error:
        log_failure(error)
        close_connection()
        return replies.totals_unavailable()
    except BadIncrement as problem:
        return replies.bad_request(problem)
    except BadRequest as problem:
        return problem.reply
