"""Addresses of this part, which tests/clinic/test_access_matrix.py leaves to it."""

from __future__ import annotations

NAMES = {
    "training:snapshot_list",
    "training:snapshot_make",
    "training:snapshot_diff",
    "training:snapshot_detail",
    "training:snapshot_rebuild",
    "training:lineage_case",
    "training:drift",
    "training:alarm_list",
    "training:alarm_clear",
}
