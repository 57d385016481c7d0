"""Addresses of this part, which tests/clinic/test_access_matrix.py leaves to it."""

from __future__ import annotations

ROOTS = {"rubric_list", "rubric_new", "rubric_import"}
VERSIONS = {
    "rubric", "rubric_do", "rubric_criterion", "rubric_check", "rubric_state", "rubric_diff", "rubric_rescore",
    "rubric_export",
}  # fmt: skip
NAMES = ROOTS | VERSIONS
