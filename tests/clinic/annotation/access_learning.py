"""Addresses of this part, which tests/clinic/test_access_matrix.py leaves to it."""

from __future__ import annotations

NAMES = {
    "learning_review",
    "learning_decide",
    "learning_influence",
    "learning_quarantine",
    "learning_at_work",
}
