"""Queues and their items."""

from __future__ import annotations

from django.urls import path

from clinic.views import queues

urlpatterns = [path("annotation/", queues.queue_list, name="queue_list")]
