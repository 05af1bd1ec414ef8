"""Which methods an endpoint answers."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from counters.web import replies

View = Callable[..., HttpResponse]


def allow(*methods: str) -> Callable[[View], View]:
    """Answer 405 to other methods than these.

    What callers send carries no CSRF token, and needs none: no cookie of theirs is looked at.
    """
    refusal = replies.not_allowed(*methods)

    def decorate(view: View) -> View:
        @csrf_exempt
        @wraps(view)
        def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method not in methods:
                return refusal.to_django()
            return view(request, *args, **kwargs)

        return wrapped

    return decorate
