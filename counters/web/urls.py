"""The API's URLs: for `include`, and for `ApiMiddleware`."""

from django.urls import path, re_path

from counters.web.increment import PATH, increment
from counters.web.views import api

urlpatterns = [
    path(PATH.removeprefix("/"), increment),
    re_path(r"^(?P<path>healthz|readyz|openapi\.json|numbers(?:\.csv|\.ndjson)?)\Z", api),
    # A key may have line ends in it.
    re_path(r"^(?P<path>numbers/(?s:.*)|badge/(?s:.*)\.svg)\Z", api),
]
