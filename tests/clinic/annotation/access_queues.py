"""Addresses of this part, which tests/clinic/test_access_matrix.py leaves to it."""

from __future__ import annotations

NAMES = {
    "queue_list",
    "queue_new",
    "queue",
    "queue_close",
    "queue_item",
    "queue_assign",
    "queue_reassign",
    "queue_send_back",
}
