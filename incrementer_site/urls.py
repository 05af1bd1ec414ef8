from django.contrib import admin
from django.urls import path

from counters.middleware import API

urlpatterns = [
    *(path(route.removeprefix("/"), view) for route, view in API.items()),
    path("admin/", admin.site.urls),
]

handler404 = "counters.views.not_found"
