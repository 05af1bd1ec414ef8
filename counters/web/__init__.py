"""The counters over HTTP: the only part of the app that knows `django.http`."""
