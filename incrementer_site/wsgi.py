"""The service for a WSGI server. `make run` uses asgi.py, which also throttles logins."""

import os
from typing import Any

from django.core.wsgi import get_wsgi_application

if not os.environ.get("DJANGO_SETTINGS_MODULE"):
    os.environ["DJANGO_SETTINGS_MODULE"] = "incrementer_site.settings"

_django = get_wsgi_application()


def application(environ: Any, start_response: Any) -> Any:
    """Serve one WSGI request; its Content-Type loses its parameters, as in asgi.py."""
    media_type = environ.get("CONTENT_TYPE", "").partition(";")[0]
    return _django({**environ, "CONTENT_TYPE": media_type}, start_response)
