"""Addresses of this part, which tests/clinic/test_access_matrix.py leaves to it."""

from __future__ import annotations

OPEN_TO_ANNOTATORS = {"sheet_next", "sheet_done", "sheet_signed_in"}
OWN_SHEET = {"sheet", "sheet_draft", "sheet_ahead", "sheet_open", "sheet_decline"}
NAMES = OPEN_TO_ANNOTATORS | OWN_SHEET
