"""The sources a cohort can be built from, by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agents.records.base import Rejection
from training.worlds import virtual
from training.worlds.rows import Access, Row, Split

NAMES = ("virtual",)


class Unasked(ValueError):
    """What was asked of a source makes no sense; `str()` says why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One request: a source, its file, and how to read it."""

    source: str
    path: Path | None = None
    count: int | None = None
    seed: int = 0
    access: Access | None = None
    split: Split | None = None


def rows(wanted: Wanted) -> Iterator[Row | Rejection]:
    """Every record of the source as a row or a rejection; raises Unasked, UnreadableFile."""
    if wanted.count is None or wanted.count < 1:
        raise Unasked("Say with --n how many virtual patients to draw.")
    yield from virtual.draw(wanted.count, wanted.seed)
