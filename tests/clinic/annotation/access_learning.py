"""Addresses of this part, which tests/clinic/test_access_matrix.py leaves to it."""

from __future__ import annotations

NAMES = {
    "learning_review",
    "learning_decide",
    "learning_influence",
    "learning_quarantine",
    "learning_at_work",
    "learning_exports",
    "learning_export",
    "learning_annotation_fhir",
    "learning_webhooks",
    "learning_webhook_switch",
    "learning_webhook_test",
}
