"""Pages of runs and evaluations; empty until there is something to run."""

from django.urls import URLPattern

app_name = "training"
urlpatterns: list[URLPattern] = []
