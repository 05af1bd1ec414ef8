from django.contrib import admin
from django.urls import include, path

from counters.web.views import api

urlpatterns = [
    path("", api, {"path": ""}),
    path("", include("counters.web.urls")),
    path("admin/", admin.site.urls),
]

handler404 = "counters.web.middleware.not_found"
