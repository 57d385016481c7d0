"""Addresses of this part, which tests/clinic/test_access_matrix.py leaves to it."""

from __future__ import annotations

READ = {"training:gate_list", "training:gate_detail"}
ADMIN = {"training:gate_start", "training:gate_again"}
KEEP = {"training:gate_record", "training:gate_sign"}
NAMES = READ | ADMIN | KEEP
