"""Feedback on its way to training, imports, exports and webhooks."""

from __future__ import annotations

from django.urls import path

from clinic.views import learning

PLACE = "annotation/learning/"

urlpatterns = [
    path(PLACE, learning.learning_review, name="learning_review"),
    path(PLACE + "decide/", learning.learning_decide, name="learning_decide"),
    path(PLACE + "influence/", learning.learning_influence, name="learning_influence"),
    path(PLACE + "influence/<int:person_id>/", learning.learning_quarantine, name="learning_quarantine"),
    path("learning/mine/", learning.learning_at_work, name="learning_at_work"),
]
