"""What this case's facts argue for and against a condition, as the knowledge has it: never the agent's word."""

from __future__ import annotations

from dataclasses import dataclass

from agents.world.ratios import Ratio, presentation, ratios
from clinic.facts import Facts, Known

FOR, AGAINST = 1.5, 0.67
"""A likelihood ratio between these two says little, and is not shown."""
MOST = 6


@dataclass(frozen=True, slots=True)
class Argument:
    """One fact of this case and its likelihood ratio for a condition."""

    fact: Known
    ratio: float
    confidence: str

    @property
    def strength(self) -> str:
        """In words, by the bounds that are in use for likelihood ratios: 2, 5 and 10."""
        folds = self.ratio if self.ratio >= 1 else 1 / max(self.ratio, 1e-9)
        return "strongly" if folds >= 10 else "clearly" if folds >= 5 else "somewhat" if folds >= 2 else "slightly"

    @property
    def shown(self) -> str:
        """The ratio as a page prints it: ×8 or ÷4."""
        folds = self.ratio if self.ratio >= 1 else 1 / max(self.ratio, 1e-9)
        sign = "×" if self.ratio >= 1 else "÷"
        return f"{sign}{'>100' if folds > 100 else f'{folds:.0f}' if folds >= 10 else f'{folds:.1f}'}"


@dataclass(frozen=True, slots=True)
class Arguments:
    supporting: tuple[Argument, ...] = ()
    opposing: tuple[Argument, ...] = ()
    inside: bool = False
    """Whether the knowledge could judge at all: it has the condition, and age and sex are known."""


def arguments(facts: Facts, condition: str | None, most: int = MOST) -> Arguments:
    """The strongest first; facts that the case itself presents with argue for nothing."""
    base = presentation(facts.group, facts.age_years, facts.sex, condition) if condition else None
    if base is None or condition is None:
        return Arguments()
    found = [_argument(ratio, facts) for ratio in ratios(base, condition, facts.evidence())]
    supporting = [one for one in found if one.ratio >= FOR]
    opposing = [one for one in found if one.ratio <= AGAINST]
    return Arguments(tuple(supporting[:most]), tuple(opposing[:most]), True)


def _argument(ratio: Ratio, facts: Facts) -> Argument:
    known = facts.find(ratio.evidence.id)
    assert known is not None
    return Argument(known, ratio.ratio, ratio.confidence)
