"""Django settings. What an operator sets comes from the environment; README.md lists it.

What is for the counters stays text here: `counters.config` converts it and says what is wrong with
it, so that a bad value ends in a sentence and not in a traceback.
"""

import os
from pathlib import Path

from incrementer_site.database import database
from incrementer_site.environment import (
    hosts,
    is_whole_number,
    switch,
    variable,
    whole_number,
)
from incrementer_site.public_url import public_url
from incrementer_site.secret_key import secret_key

# What this process makes is nobody else's to read: the database holds sessions and password hashes,
# and so do the files that SQLite lays beside it. Each way of starting comes through here.
os.umask(0o077)

BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = switch("DJANGO_DEBUG")
SECRET_KEY = secret_key(BASE_DIR / ".secret_key")
ALLOWED_HOSTS = hosts("DJANGO_ALLOWED_HOSTS", default="localhost,127.0.0.1,[::1]")

if _public := public_url(variable("PUBLIC_URL")):
    ALLOWED_HOSTS.append(_public.host)
    CSRF_TRUSTED_ORIGINS = [_public.origin]  # a proxy may leave the port out of Host
    if _public.is_secure:
        SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
        SECURE_HSTS_SECONDS = 30 * 24 * 3600
SILENCED_SYSTEM_CHECKS = [
    # The subdomains of the public host are not ours: nor is it ours to promise TLS for them.
    "security.W005",
    "security.W021",
    # The proxy sends browsers from http to https. If we did, and it did not tell us that it had
    # TLS, they would be sent in circles.
    "security.W008",
]

COUNTERS = {
    "JOURNAL_DIR": BASE_DIR / "journal",
    **{
        name: value
        for name in (
            "JOURNAL_DIR",
            "JOURNAL_FSYNC",
            "FLUSH_INTERVAL",
            "MAX_JOURNAL_BYTES",
            "MAX_PENDING_KEYS",
            "MAX_PENDING_BYTES",
            "MAX_BODY_BYTES",
            "IDEMPOTENCY_HOURS",
            "INCREMENT_TOKEN",
            "READ_TOKEN",
            "ADMIN_TOKEN",
            "INCREMENT_ORIGINS",
            "CORS_ORIGINS",
        )
        if (value := variable(name))
    },
}
# Outside the lane Django has a limit of its own, which would refuse bodies that are short enough.
_max_body_bytes = variable("MAX_BODY_BYTES")
DATA_UPLOAD_MAX_MEMORY_SIZE = int(_max_body_bytes) if is_whole_number(_max_body_bytes) else 1024**2
# Of all clients of a worker together; see incrementer_site/incoming.py.
_longest_twice = 2 * DATA_UPLOAD_MAX_MEMORY_SIZE  # with less, it would always be refused
MAX_INCOMING_BYTES = whole_number(
    "MAX_INCOMING_BYTES", max(64 * 1024**2, _longest_twice), least=_longest_twice, most=2**63
)

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "counters",
    "incrementer_site",
]
if DEBUG:
    INSTALLED_APPS.append("django_extensions")  # show_urls, shell_plus: tools for a developer

MIDDLEWARE = [
    "counters.web.middleware.ApiMiddleware",  # first: increments pass none of the others
    "counters.web.middleware.NotFoundMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "incrementer_site.data_errors.DataErrorMiddleware",
]

ROOT_URLCONF = "incrementer_site.urls"
WSGI_APPLICATION = "incrementer_site.wsgi.application"
ASGI_APPLICATION = "incrementer_site.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": database(variable("DATABASE_URL", "sqlite:///numbers.db"), BASE_DIR)}

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True  # the admin's files come straight from Django: no collectstatic

_refusals = {
    "handlers": ["console"],
    "filters": ["refusal"],
    "level": "WARNING",
    "propagate": False,
}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s [%(process)d] [%(levelname)s] %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "filters": {
        # Why it is 503 is in the reply; probes and callers ask again and again.
        "not_503": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: getattr(record, "status_code", None) != 503,
        },
        "refusal": {"()": "incrementer_site.refusals.RefusalFilter"},
    },
    "loggers": {
        "counters": {"handlers": ["console"], "level": "INFO"},
        "incrementer_site": {"handlers": ["console"], "level": "INFO"},
        "django": {"handlers": ["console"], "level": "ERROR", "propagate": False},
        "django.request": {"filters": ["not_503"]},
        # A request that Django refuses is no error of the service, and no reason for a traceback.
        "django.security": {"level": "CRITICAL"},
        "django.security.DisallowedHost": _refusals,
        "django.security.csrf": _refusals,
    },
}
