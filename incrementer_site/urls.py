from django.contrib import admin
from django.urls import path

from counters import views

urlpatterns = [
    path("increment", views.durably(views.increment), name="increment"),
    path("admin/", admin.site.urls),
]

handler404 = "counters.views.not_found"
