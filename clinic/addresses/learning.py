"""Feedback on its way to training, imports, exports and webhooks."""

from __future__ import annotations

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
