from django.urls import path

from benchmarks.rivals.naive.views import increment

urlpatterns = [path("increment", increment)]
