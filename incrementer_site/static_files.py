"""The admin's files, as whole replies: Django warns of files that are streamed under ASGI."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware


class StaticFiles(WhiteNoiseMiddleware):
    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> HttpResponse:
        """Return a file, or the reply that says that it has not changed."""
        streamed = WhiteNoiseMiddleware.serve(static_file, request)
        content = streamed.getvalue()
        streamed.close()
        reply = HttpResponse(content, status=streamed.status_code, headers=streamed.headers)
        if "Content-Type" not in streamed.headers:
            del reply.headers["Content-Type"]
        return reply
