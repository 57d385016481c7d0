"""Rubric protocol (system.md 3.4, E3): every criterion of a case judged on its consultation, with evidence.

Ours and the published score stand side by side; a benchmark score is the mean over cases. Cases whose rubric has no
weight are excluded and listed; coverage says how much of the rubrics could be decided at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from agents.knowledge.conditions import knowledge
from agents.rubrics import Criterion, Rating, Verdict, published_score, score
from agents.types import End, Episode
from training.evaluation.cases import EvaluationCase
from training.evaluation.statistics import bootstrap_ci


class Rates(Protocol):
    """agents.judge.LanguageJudge, RuleJudge or RulesFirst."""

    async def rate(self, episode: Episode, criterion: Criterion) -> Rating: ...


@dataclass(frozen=True, slots=True)
class RubricResult:
    """One consultation: its ratings and scores 0..1; `value` None where nothing was decided."""

    case: str
    centre: str
    ratings: tuple[Rating, ...]
    value: float | None
    published: float | None
    coverage: float
    never: tuple[str, ...]
    error: str | None = None

    @property
    def is_whole(self) -> bool:
        """Every criterion has a verdict; errors of judge or environment are worth another try."""
        return self.error is None and all(rating.verdict is not Verdict.ERROR for rating in self.ratings)

    def as_dict(self) -> dict[str, Any]:
        return {
            "case": self.case,
            "centre": self.centre,
            "ratings": [rating.as_dict() for rating in self.ratings],
            "value": self.value,
            "published": self.published,
            "coverage": self.coverage,
            "never": list(self.never),
            "error": self.error,
        }


def criteria_of(case: EvaluationCase) -> list[Criterion]:
    """The rubric that came with a record, or what the knowledge says about a virtual case; may be empty."""
    rows = case.record.extra.get("criteria")
    if rows:
        return [Criterion(str(n), row["text"], row["points"]) for n, row in enumerate(rows, 1)]
    return _virtual_criteria(case) if case.is_virtual else []


async def rate(episode: Episode, criteria: Sequence[Criterion], case: EvaluationCase, judge: Rates) -> RubricResult:
    """All criteria judged at once; an episode whose environment failed is not judged."""
    if episode.end is End.ENV_ERROR:
        return RubricResult(case.id, case.centre, (), None, None, 0.0, (), episode.error)
    ratings = tuple(await asyncio.gather(*(judge.rate(episode, criterion) for criterion in criteria)))
    ours = score(criteria, ratings)
    signed = any(criterion.points < 0 for criterion in criteria)
    published = None if signed else published_score(criteria, ratings).value
    return RubricResult(case.id, case.centre, ratings, ours.value, published, ours.coverage, ours.never)


def load(case: str, row: Mapping[str, Any] | None) -> RubricResult | None:
    """A result as `as_dict` wrote it; None for None."""
    if row is None:
        return None
    ratings = tuple(Rating(**{**rating, "verdict": Verdict(rating["verdict"])}) for rating in row["ratings"])
    return RubricResult(case=case, **{**row, "ratings": ratings, "never": tuple(row["never"])})


def summarise(results: Sequence[RubricResult], *, seed: int = 0) -> dict[str, Any]:
    """Mean scores over cases with their intervals; `excluded` names the cases without a value."""
    values = [result.value for result in results if result.value is not None]
    published = [result.published for result in results if result.published is not None]
    judged = [result for result in results if result.error is None]
    return {
        "n": len(results),
        "scored": len(values),
        "errors": sum(result.error is not None for result in results),
        "rubric": sum(values) / len(values) if values else None,
        "rubric_published": sum(published) / len(published) if published else None,
        "coverage": sum(result.coverage for result in judged) / len(judged) if judged else None,
        "unjudged": sum(rating.verdict is Verdict.ERROR for result in judged for rating in result.ratings),
        "vetoed": sum(bool(result.never) for result in results),
        "excluded": [result.case for result in results if result.value is None],
        "ci": {"rubric": bootstrap_ci(values, seed=seed), "rubric_published": bootstrap_ci(published, seed=seed)},
    }


def _virtual_criteria(case: EvaluationCase) -> list[Criterion]:
    """Rules a physician would not dispute: the authors' weights, judged without a model."""
    condition = knowledge().conditions[case.record.extra["condition"]]
    exams = knowledge().catalogue.exams
    found = [
        Criterion("diagnosis", f"Names {condition.name}.", 10, rule={"diagnosed": condition.name}),
        Criterion("considered", f"Considers {condition.name}.", 4, rule={"considered": condition.name}),
        Criterion("committed", "Decides within 12 actions.", 2, rule={"turns_at_most": 12}),
    ]
    confirm = [exams[exam].name for exam in condition.confirm]
    if confirm:
        text = f"Orders one of: {', '.join(confirm)}."
        found.append(Criterion("confirmed", text, 6, rule={"examined": confirm}))
    return found
