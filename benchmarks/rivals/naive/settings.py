"""What `django-admin startproject` gives, on the SQLite file that `NAIVE_DATABASE` names.

Where `NAIVE_INIT_COMMAND` has PRAGMAs, each connection begins with them.
"""

import os

SECRET_KEY = "only for the benchmark"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "benchmarks.rivals.naive.urls"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["NAIVE_DATABASE"],
        "OPTIONS": {
            "timeout": 60,  # with the default of 5 some requests fail: "database is locked"
            "init_command": os.environ.get("NAIVE_INIT_COMMAND", ""),
        },
    }
}
