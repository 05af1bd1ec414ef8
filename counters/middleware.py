"""The short way to the increment view."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from counters.views import durably, increment

INCREMENT_PATH = "/increment"


class IncrementMiddleware:
    """Answers increments before the middleware of the admin (sessions, CSRF, hosts) sees them."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        self._increment = durably(increment)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info == INCREMENT_PATH:
            return self._increment(request)
        return self._get_response(request)
