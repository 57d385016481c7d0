"""What each criterion's majority and mean would be without each annotator in turn, by weight."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from clinic.influence.cap import CAP, factors


@dataclass(frozen=True, slots=True)
class Said:
    """One decided verdict: criterion (the group), unit (its item), annotator, and whether it is met."""

    criterion: Hashable
    unit: Hashable
    annotator: Hashable
    met: bool


@dataclass(frozen=True, slots=True)
class Majority:
    """`share` of the weight that says met, 0..1; `met` None where both sides weigh the same, or nothing is left."""

    share: Fraction | None

    @property
    def met(self) -> bool | None:
        return None if self.share is None or self.share * 2 == 1 else self.share * 2 > 1


@dataclass(frozen=True, slots=True)
class Without:
    """One criterion as it is, and without one annotator."""

    criterion: Hashable
    annotator: Hashable
    all: Majority
    rest: Majority

    @property
    def flips(self) -> bool:
        """From met to not met or the reverse; a tie on either side is no verdict, so nothing turned over."""
        return {self.all.met, self.rest.met} == {True, False}


def majorities(rows: Iterable[Said], *, cap: Fraction | None = CAP) -> dict[Hashable, Majority]:
    """Each criterion's majority; with `cap` None everybody weighs by how much they rated."""
    return {criterion: _majority(counts, cap) for criterion, counts in _counted(rows).items()}


def without_each(rows: Iterable[Said], *, cap: Fraction | None = CAP) -> list[Without]:
    """Every annotator left out of every criterion that they rated; the cap is drawn anew among those who stay."""
    found = []
    for criterion, counts in _counted(rows).items():
        everybody = _majority(counts, cap)
        for one in sorted(counts, key=str):
            rest = {annotator: count for annotator, count in counts.items() if annotator != one}
            found.append(Without(criterion, one, everybody, _majority(rest, cap)))
    return found


Counts = Mapping[Hashable, tuple[int, int]]
"""annotator -> (verdicts, those that say met) of one criterion."""


def _counted(rows: Iterable[Said]) -> dict[Hashable, Counts]:
    found: dict[Hashable, dict[Hashable, tuple[int, int]]] = defaultdict(dict)
    for row in rows:
        given, met = found[row.criterion].get(row.annotator, (0, 0))
        found[row.criterion][row.annotator] = (given + 1, met + row.met)
    return dict(found)


def _majority(counts: Counts, cap: Fraction | None) -> Majority:
    if not counts:
        return Majority(None)
    given = {annotator: number for annotator, (number, _) in counts.items()}
    each = factors(given, cap=cap) if cap is not None else dict.fromkeys(given, Fraction(1))
    whole = sum((each[annotator] * number for annotator, number in given.items()), Fraction(0))
    yes = sum((each[annotator] * met for annotator, (_, met) in counts.items()), Fraction(0))
    return Majority(yes / whole)
