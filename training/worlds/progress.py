"""A bar on the terminal, or a line now and then in a log."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from time import monotonic
from typing import TextIO, TypeVar

WIDTH = 30
EVERY = 0.2
"""Seconds between two drawings on a terminal."""
LOGGED = 10.0
"""The same where nobody watches."""
Thing = TypeVar("Thing")


def shown(things: Iterable[Thing], total: int | None, what: str, out: TextIO = sys.stderr) -> Iterator[Thing]:
    """The things themselves, while how many have passed is told on `out`."""
    watched, count = out.isatty(), 0
    start, end = ("\r", "") if watched else ("", "\n")
    next_at = monotonic() + (EVERY if watched else LOGGED)
    for count, thing in enumerate(things, 1):
        yield thing
        if monotonic() >= next_at:
            out.write(f"{start}{line(count, total, what)}{end}")
            out.flush()
            next_at = monotonic() + (EVERY if watched else LOGGED)
    out.write(f"{start}{line(count, total, what)}\n")


def line(count: int, total: int | None, what: str) -> str:
    """ "█████░░░░░ 1,200 of 6,000 patients", without a bar where the end is not known."""
    if not total:
        return f"{count:,} {what}"
    filled = min(WIDTH * count // total, WIDTH)
    return f"{'█' * filled}{'░' * (WIDTH - filled)} {count:,} of {total:,} {what}"
