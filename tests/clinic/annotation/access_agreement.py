"""Addresses of this part, which tests/clinic/test_access_matrix.py leaves to it."""

from __future__ import annotations

NAMES = {
    "agreement",
    "agreement_queue",
    "agreement_item",
    "agreement_adjudicate",
    "training:judge",
    "training:judge_start",
    "training:judge_version",
}
