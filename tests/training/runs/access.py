"""Addresses of this part, which tests/clinic/test_access_matrix.py leaves to it."""

from __future__ import annotations

READ = {"training:run_list", "training:schedule_list"}
READ_ONE = {"training:run_detail", "training:run_curves"}
ASK = {"training:run_new", "training:schedule_new"}
VERBS = {"training:run_cancel", "training:run_resume", "training:run_clone"}
NAMES = READ | READ_ONE | ASK | VERBS | {"training:schedule_edit"}
