"""Who differs from all others: agreement with the majority of the others against that of pairs of the others."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from math import comb

LEAST = 8
"""Fewer comparisons say nothing about a person."""
GAP = 0.25
CHANCE = 0.01
"""Of an honest annotator among all being flagged; divided by their number (Bonferroni)."""

Units = Mapping[Hashable, Mapping[Hashable, Hashable]]
"""unit -> {annotator: what they said of it}; a unit is one criterion of one item."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of one annotator with the others; `others` is the share of pairs of the others that agree."""

    annotator: Hashable
    agreed: int
    compared: int
    others_agreed: int
    others_compared: int
    p: float
    """Of agreeing so rarely, or more rarely still, if this one were as the others; 1 where nothing can be said."""

    @property
    def share(self) -> float | None:
        return self.agreed / self.compared if self.compared else None

    @property
    def others(self) -> float | None:
        return self.others_agreed / self.others_compared if self.others_compared else None


def units_of(said: Iterable[tuple[Hashable, Hashable, Hashable]]) -> dict[Hashable, dict[Hashable, Hashable]]:
    """Units from (unit, annotator, what they said); the last word of a person on a unit counts."""
    units: dict[Hashable, dict[Hashable, Hashable]] = defaultdict(dict)
    for unit, annotator, verdict in said:
        units[unit][annotator] = verdict
    return dict(units)


def agreements(units: Units) -> list[Agreement]:
    """One for each annotator, the least agreeing first."""
    people = {annotator for said in units.values() for annotator in said}
    found = [_agreement(units, one) for one in people]
    return sorted(found, key=lambda a: (1.0 if a.share is None else a.share, -a.compared, str(a.annotator)))


def outliers(found: Iterable[Agreement]) -> list[Agreement]:
    """Those who agree far more rarely than the others do among themselves, and hardly by chance."""
    rows = list(found)
    return [row for row in rows if _is_outlier(row, len(rows))]


def _is_outlier(row: Agreement, people: int) -> bool:
    if row.share is None or row.others is None or min(row.compared, row.others_compared) < LEAST:
        return False
    return row.others - row.share >= GAP and row.p * people < CHANCE


def _agreement(units: Units, one: Hashable) -> Agreement:
    agreed = compared = others_agreed = others_compared = 0
    for said in units.values():
        rest = {annotator: verdict for annotator, verdict in said.items() if annotator != one}
        majority = majority_of(rest.values())
        if one in said and majority is not None:
            compared += 1
            agreed += said[one] == majority
        # Pairs without `one`: who flips everything would make the others look at odds with each other.
        pairs = list(combinations(rest.values(), 2))
        others_compared += len(pairs)
        others_agreed += sum(a == b for a, b in pairs)
    p = _fisher(agreed, compared, others_agreed, others_compared) if compared and others_compared else 1.0
    return Agreement(one, agreed, compared, others_agreed, others_compared, p)


def majority_of(verdicts: Iterable[Hashable]) -> Hashable | None:
    """What most said; None for a tie or for nothing."""
    ranked = Counter(verdicts).most_common(2)
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return None
    return ranked[0][0]


def _fisher(agreed: int, compared: int, others_agreed: int, others_compared: int) -> float:
    """One-sided exact test of Fisher (1922): chance of `agreed` or fewer in the first row, all margins given."""
    total, hits = compared + others_compared, agreed + others_agreed
    low = max(0, hits - others_compared)
    ways = sum(comb(compared, k) * comb(others_compared, hits - k) for k in range(low, agreed + 1))
    return ways / comb(total, hits)
