"""What each criterion's majority and mean would be without each annotator in turn, by weight."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from clinic.influence.cap import CAP, Row, weights


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
    said = list(rows)
    given = _weights(said, cap)
    totals: dict[Hashable, list[Fraction]] = defaultdict(lambda: [Fraction(0), Fraction(0)])
    for number, row in enumerate(said):
        totals[row.criterion][row.met] += given[number]
    return {criterion: Majority(yes / (no + yes)) for criterion, (no, yes) in totals.items()}


def without_each(rows: Iterable[Said], *, cap: Fraction | None = CAP) -> list[Without]:
    """Every annotator left out of every criterion that they rated; the cap is drawn anew among those who stay."""
    said = list(rows)
    groups: dict[Hashable, list[Said]] = defaultdict(list)
    for row in said:
        groups[row.criterion].append(row)
    found = []
    for criterion, members in groups.items():
        everybody = majorities(members, cap=cap)[criterion]
        for one in sorted({row.annotator for row in members}, key=str):
            rest = majorities([row for row in members if row.annotator != one], cap=cap)
            found.append(Without(criterion, one, everybody, rest.get(criterion, Majority(None))))
    return found


def _weights(said: Sequence[Said], cap: Fraction | None) -> list[Fraction]:
    if cap is None:
        return [Fraction(1)] * len(said)
    given = weights((Row(number, row.annotator, row.criterion) for number, row in enumerate(said)), cap=cap)
    return [given[row.criterion, number] for number, row in enumerate(said)]
