"""Feedback on its way to training, imports, exports and webhooks."""

from __future__ import annotations

from django.urls import path

from clinic.views import learning, learning_exports, learning_webhooks

PLACE = "annotation/learning/"

urlpatterns = [
    path(PLACE, learning.learning_review, name="learning_review"),
    path(PLACE + "decide/", learning.learning_decide, name="learning_decide"),
    path(PLACE + "influence/", learning.learning_influence, name="learning_influence"),
    path(PLACE + "influence/<int:person_id>/", learning.learning_quarantine, name="learning_quarantine"),
    path(PLACE + "exports/", learning_exports.learning_exports, name="learning_exports"),
    path(PLACE + "exports/<slug:format>/", learning_exports.learning_export, name="learning_export"),
    path(
        PLACE + "annotations/<uuid:annotation_id>/fhir/",
        learning_exports.learning_annotation_fhir,
        name="learning_annotation_fhir",
    ),
    path(PLACE + "webhooks/", learning_webhooks.learning_webhooks, name="learning_webhooks"),
    path(
        PLACE + "webhooks/<int:webhook_id>/",
        learning_webhooks.learning_webhook_switch,
        name="learning_webhook_switch",
    ),
    path(
        PLACE + "webhooks/<int:webhook_id>/test/",
        learning_webhooks.learning_webhook_test,
        name="learning_webhook_test",
    ),
    path("learning/mine/", learning.learning_at_work, name="learning_at_work"),
]
