"""Whether some group of patients pays for the improvement: accuracy by sex, age and complaint, small cells left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from training.gates.inference import ALPHA, compare, holm
from training.models import CheckOutcome


@dataclass(frozen=True, slots=True)
class Cell:
    """One group; `p` is of "worse", one-sided, after Holm's correction over all cells."""

    name: str
    group: str
    n: int
    candidate: float
    baseline: float
    difference: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, slots=True)
class Cells:
    worst: Cell
    cells: tuple[Cell, ...]
    outcome: str
    why: str

    def as_rows(self) -> list[dict[str, Any]]:
        return [asdict(cell) for cell in self.cells]


def worst_of(
    candidate: Sequence[float],
    baseline: Sequence[float],
    groups: Sequence[Mapping[str, str]],
    *,
    smallest: int,
    margin: float,
    seed: int = 0,
) -> Cells | None:
    """Failed: a group is worse beyond chance. Undecided: one is below `margin` by its mean. None without a cell."""
    raw = _cells(candidate, baseline, groups, smallest, seed)
    if not raw:
        return None
    adjusted = holm({f"{n}": cell.p for n, cell in enumerate(raw)})
    cells = [_with_p(cell, adjusted[f"{n}"]) for n, cell in enumerate(raw)]
    worst = min(cells, key=lambda cell: cell.difference)
    told = f"Worst of {len(cells)} groups of {smallest} cases or more: {worst.name} {worst.group}"
    hurt = [cell for cell in cells if cell.p <= ALPHA / 2]
    if hurt:
        return Cells(worst, tuple(cells), CheckOutcome.FAILED, f"{told}; {len(hurt)} worse beyond chance.")
    if worst.difference < -margin:
        return Cells(worst, tuple(cells), CheckOutcome.UNDECIDED, f"{told}, below the margin but within chance.")
    return Cells(worst, tuple(cells), CheckOutcome.PASSED, f"{told}, within the margin.")


def _cells(
    candidate: Sequence[float],
    baseline: Sequence[float],
    groups: Sequence[Mapping[str, str]],
    smallest: int,
    seed: int,
) -> list[Cell]:
    ours, theirs = np.array(candidate), np.array(baseline)
    names = sorted({(name, row[name]) for row in groups for name in row})
    found = []
    for name, group in names:
        inside = np.array([row.get(name) == group for row in groups])
        told = compare(ours[inside], theirs[inside], seed=seed)
        if told and told.n >= smallest:
            p = float((1 + np.sum(told.draws >= 0)) / (1 + len(told.draws)))
            row = (told.n, told.candidate, told.baseline, told.difference, told.low, told.high, p)
            found.append(Cell(name, group, *row))
    return found


def _with_p(cell: Cell, p: float) -> Cell:
    return Cell(**{**asdict(cell), "p": p})
