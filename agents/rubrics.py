"""Rubrics: criteria with signed points, verdicts with evidence, and the two ways to turn them into a score.

Ours (decisions.md 21): points of met over positive points, clipped to 0..1; "not applicable" leaves the denominator;
"cannot tell" and "error" lower coverage, never the score; a met never-item makes the score 0. The published one
(arXiv 2510.24654, section 5.3): sum of satisfied weights over sum of all weights, weights 0 to 10.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

LARGEST = 10


class Verdict(StrEnum):
    MET = "met"
    NOT_MET = "not_met"
    CANNOT_TELL = "cannot_tell"
    NOT_APPLICABLE = "not_applicable"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Criterion:
    """One atomic statement about a consultation; `points` -10 to 10, below 0 where it should not happen.

    A `never` item can be bought back by nothing; `rule` lets the rule-based judge rate it (agents.judge).
    """

    id: str
    text: str
    points: float
    evidence_required: bool = False
    never: bool = False
    rule: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise ValueError(f"criterion {self.id} has no text")
        if not -LARGEST <= self.points <= LARGEST:
            raise ValueError(f"criterion {self.id}: points must be from {-LARGEST} to {LARGEST}")
        if self.never and self.points >= 0:
            raise ValueError(f"criterion {self.id}: a never-item has points below 0")


@dataclass(frozen=True, slots=True)
class Rating:
    """One criterion's verdict, with the words of the consultation it rests on and the turn they stand in."""

    criterion: str
    verdict: Verdict
    evidence: str = ""
    turn: int | None = None
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {
            "criterion": self.criterion,
            "verdict": str(self.verdict),
            "evidence": self.evidence,
            "turn": self.turn,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Score:
    """`value` 0..1, None where nothing could be scored; `coverage` 0..1 of the applicable points was decided."""

    value: float | None
    coverage: float
    met: float
    possible: float
    never: tuple[str, ...] = ()
    undecided: tuple[str, ...] = field(default=())


def score(criteria: Sequence[Criterion], ratings: Iterable[Rating]) -> Score:
    """The score of one consultation; a criterion without a rating counts as an error. Raises ValueError."""
    verdicts = _verdicts(criteria, ratings)
    applicable = [c for c in criteria if verdicts[c.id] is not Verdict.NOT_APPLICABLE]
    decided = [c for c in applicable if verdicts[c.id] in (Verdict.MET, Verdict.NOT_MET)]
    met = [c for c in decided if verdicts[c.id] is Verdict.MET]
    never = tuple(c.id for c in met if c.never)
    value = 0.0 if never else _share(decided, met)
    return Score(
        value=value,
        coverage=_weight(decided) / _weight(applicable) if _weight(applicable) else 0.0,
        met=sum(c.points for c in met),
        possible=sum(c.points for c in decided if c.points > 0),
        never=never,
        undecided=tuple(c.id for c in applicable if c not in decided),
    )


def published_score(criteria: Sequence[Criterion], ratings: Iterable[Rating]) -> Score:
    """The published sum ratio: what is not met is 0; errors leave the ratio; zero total weight has no value.

    Raises ValueError for a negative weight, which that definition does not know.
    """
    if any(c.points < 0 for c in criteria):
        raise ValueError("the published score has weights from 0 to 10 only")
    verdicts = _verdicts(criteria, ratings)
    rated = [c for c in criteria if verdicts[c.id] is not Verdict.ERROR]
    total = sum(c.points for c in rated)
    met = sum(c.points for c in rated if verdicts[c.id] is Verdict.MET)
    whole = sum(c.points for c in criteria)
    undecided = tuple(c.id for c in criteria if c not in rated)
    return Score(met / total if total else None, total / whole if whole else 0.0, met, total, undecided=undecided)


def _verdicts(criteria: Sequence[Criterion], ratings: Iterable[Rating]) -> dict[str, Verdict]:
    verdicts = {c.id: Verdict.ERROR for c in criteria}
    if len(verdicts) != len(criteria):
        raise ValueError("two criteria have the same id")
    seen: set[str] = set()
    for rating in ratings:
        if rating.criterion not in verdicts:
            raise ValueError(f"rating of {rating.criterion!r}, which is not in the rubric")
        if rating.criterion in seen:
            raise ValueError(f"{rating.criterion!r} is rated twice")
        seen.add(rating.criterion)
        verdicts[rating.criterion] = rating.verdict
    return verdicts


def _share(decided: Sequence[Criterion], met: Sequence[Criterion]) -> float | None:
    positive = sum(c.points for c in decided if c.points > 0)
    if positive:
        return min(1.0, max(0.0, sum(c.points for c in met) / positive))
    # Penalties only: met/positive would always be 0 or undefined, so count the share that was avoided.
    penalties = sum(c.points for c in decided)
    return 1 - sum(c.points for c in met) / penalties if penalties else None


def _weight(criteria: Iterable[Criterion]) -> float:
    return sum(abs(c.points) for c in criteria)
