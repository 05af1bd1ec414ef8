"""The short way to the API's views."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from counters import health, views

INCREMENT_PATH = "/increment"

API = {
    INCREMENT_PATH: views.durably(views.only_chunked(views.increment)),
    "/healthz": health.healthz,
    "/readyz": health.readyz,
}


class ApiMiddleware:
    """Answers the API before the middleware of the admin (sessions, CSRF, hosts) sees it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return API.get(request.path_info, self._get_response)(request)
