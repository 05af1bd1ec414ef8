"""The service for a WSGI server. `make run` uses asgi.py."""

import atexit
import os
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "incrementer_site.settings")

_django = get_wsgi_application()

from counters.service import stop_service  # noqa: E402  (needs Django to be set up)


def application(environ: Any, start_response: Any) -> Any:
    """Serve one WSGI request; its Content-Type loses its parameters, as in asgi.py."""
    media_type = environ.get("CONTENT_TYPE", "").partition(";")[0]
    return _django({**environ, "CONTENT_TYPE": media_type}, start_response)


atexit.register(stop_service)
