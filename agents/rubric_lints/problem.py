"""What a lint says: which criterion, which kind of mistake, in one sentence."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """`criterion` is "" where the whole rubric is meant; `serious` ones make scores wrong, not just unclear."""

    criterion: str
    code: str
    sentence: str
    serious: bool = False
