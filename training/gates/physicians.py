"""What physicians asked for in the rubrics that a version learned from, on patients it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agents.judge import RuleJudge
from agents.rubrics import Criterion, score
from clinic.models import ModelVersion, RubricCriterion
from training.evaluation.run import Played
from training.gates.starting import run_of


def criteria_of(version: ModelVersion) -> list[Criterion]:
    """Every kept criterion that a rule can rate, of the rubric versions in its run's snapshot, rewarded or not."""
    run = run_of(version)
    told = run.snapshot.manifest.get("rubric_versions", []) if run and run.snapshot else []
    rows = RubricCriterion.objects.filter(version__in=[row["id"] for row in told], kept=True)
    found = [row.as_criterion() for row in rows.order_by("version", "position")]
    # Two rubrics may use the same key.
    return [replace(one, id=str(n)) for n, one in enumerate(one for one in found if one.rule)]


async def scores(games: Sequence[Played], criteria: Sequence[Criterion]) -> list[float]:
    """One score 0..1 per consultation; NaN without an outcome."""
    judge = RuleJudge()
    found = []
    for game in games:
        ratings = [await judge.rate(game.episode, one) for one in criteria]
        value = None if game.result.error else score(criteria, ratings).value
        found.append(float("nan") if value is None else value)
    return found
