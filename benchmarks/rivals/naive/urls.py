from django.urls import path

from benchmarks.rivals.naive.views import increment, total

urlpatterns = [path("increment", increment), path("numbers/<path:key>", total)]
