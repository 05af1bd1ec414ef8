"""The service for a WSGI server. `make run` uses asgi.py."""

import atexit
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "incrementer_site.settings")

application = get_wsgi_application()

from counters.service import stop_service  # noqa: E402  (needs Django to be set up)

atexit.register(stop_service)
