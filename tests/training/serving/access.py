"""Addresses of this part, which tests/clinic/test_access_matrix.py leaves to it."""

from __future__ import annotations

READ = {"training:deployment_list"}
ADMIN = {f"training:{name}" for name in ("rollback", "promote", "canary", "shadow", "withdraw")}
EVERYBODY = {"training:source_attributes"}
NAMES = READ | ADMIN | EVERYBODY
