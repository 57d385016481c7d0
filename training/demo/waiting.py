"""Waits for what workers do, by the row that says how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from django.db import models

from clinic.services.errors import Refused

Row = TypeVar("Row", bound=models.Model)
LOOK_SECONDS = 0.5
PATIENCE_SECONDS = 1800.0


def wait_for(
    row: Row,
    *,
    over: Sequence[str],
    on_look: Callable[[Row], None] = lambda row: None,
    seconds: float = PATIENCE_SECONDS,
) -> Row:
    """The row when its status is one of `over`; Refused where that takes too long."""
    deadline = time.monotonic() + seconds
    while True:
        row.refresh_from_db()
        on_look(row)
        told: Any = row
        if told.status in over:
            return row
        if time.monotonic() > deadline:
            raise Refused(
                f"{row} was still {told.status} after {seconds / 60:.0f} minutes; the workers' logs say more."
            )
        time.sleep(LOOK_SECONDS)
