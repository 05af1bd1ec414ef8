from django.urls import path

from benchmarks.naive.views import increment

urlpatterns = [path("increment", increment)]
