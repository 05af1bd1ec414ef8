"""The API as Django's views: each waits for what it needs."""

from __future__ import annotations

from typing import cast

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from counters.web import cors
from counters.web.conditional import for_client
from counters.web.endpoints import Endpoint, answer, endpoint_at, handler_of
from counters.web.increment import body_of_django
from counters.web.lookup import Lookup
from counters.web.replies import Reply, Stream
from counters.web.request import BadRequest, Request, check_path_of_django, fields_of_django


@csrf_exempt  # a token in a header is no cookie: no other page can have a browser send it
def api(request: HttpRequest, path: str) -> HttpResponseBase:
    """Answer whatever of the API is not counting.

    Args:
        path: where in the API, without the first "/".
    """
    asked = Request(request.method or "", f"/{path}", fields_of_django(request))
    try:
        check_path_of_django(request)
        reply = _answer(asked, request)
    except BadRequest as problem:
        reply = problem.reply
    return cors.allowed(asked.fields, for_client(asked, reply)).to_django()


def _answer(asked: Request, request: HttpRequest) -> Reply | Stream:
    handler = handler_of(asked, cast(Endpoint, endpoint_at(asked.path)))
    if isinstance(handler, Reply):
        return handler
    if handler.reads_body:
        body = body_of_django(request)
        if isinstance(body, Reply):
            return body
        asked = asked._replace(body=body)
    found = answer(handler, asked)
    return found.answer() if isinstance(found, Lookup) else found
