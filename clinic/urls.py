"""Wiring only: every address of the product."""

from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="case_list"), name="home"),
    path("accounts/", include("allauth.urls")),
    path("training/", include("training.urls")),
]
