"""The API's URLs: for `include`, and for `ApiMiddleware`."""

from django.urls import path

from counters.web.health import healthz, readyz
from counters.web.increment import PATH, increment

urlpatterns = [
    path(PATH.removeprefix("/"), increment),
    path("healthz", healthz),
    path("readyz", readyz),
]
