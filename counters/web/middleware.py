"""The short way to the API, and to a 404: past the middleware that pages for people need."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve

from counters.web import replies

logger = logging.getLogger(__name__)


class ApiMiddleware:
    """Answers the API before sessions, CSRF and the check of the host are looked at."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            endpoint = resolve(request.path_info, "counters.web.urls")
        except Resolver404:
            return self._get_response(request)
        try:
            response: HttpResponse = endpoint.func(request, *endpoint.args, **endpoint.kwargs)
        except Exception:
            logger.exception("%s %s failed.", request.method, request.path)
            response = replies.server_failed().to_django()
        return response


class NotFoundMiddleware:
    """Answers 404 for paths that nobody serves, before it matters for which host they were meant.

    ALLOWED_HOSTS is for pages. Whoever mistypes `/increment` is to read just that, whatever the
    service is called where they are.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if is_served(request.path_info):
            return self._get_response(request)
        return not_found(request, Resolver404())


def is_served(path: str) -> bool:
    """Return whether anything answers at `path`, if only by sending the client to `path/`."""
    return path.startswith(settings.STATIC_URL) or _has_view(path) or _has_view(f"{path}/")


def _has_view(path: str) -> bool:
    try:
        resolve(path)
    except Resolver404:
        return False
    return True


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer where there is nothing: a site's `handler404`."""
    return replies.not_found(request.path).to_django()
