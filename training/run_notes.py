"""What a reader of a run's curves must know beside them: what was not measured, and what was not rewarded."""

from __future__ import annotations

from collections.abc import Sequence

from training.methods import plausibility_alarm
from training.methods import recipe as recipes
from training.models import Run, RunMetric, TrainerName

PHYSICIANS, PLAUSIBILITY = "physicians", "plausibility"
SENTENCES = {
    "physicians": (
        "The recipe rewards what physicians asked for, and nothing of it has counted in this run: {why}. It learned "
        "from the other rewards alone."
    ),
    "no_snapshot": "the run has no snapshot",
    "no_criteria": "on no criterion of its snapshot do rules and physicians agree well enough yet (page Judge)",
    "no_data": (
        "Exploiting the world: not watched. Its patients answer from the knowledge model, which draws nothing that "
        "could be less believable; the alarm needs a language world model."
    ),
    "quiet": "Exploiting the world: watched, and no sign of it over the last {steps} steps.",
    "too_few": "Exploiting the world: watched; {steps} steps with simulated results are too few to say anything.",
}


def notes(run: Run, metrics: Sequence[RunMetric]) -> list[str]:
    """Sentences for the page; none for runs that play no consultations, or have not yet."""
    if run.trainer != TrainerName.GRPO or not metrics:
        return []
    found = [physicians(run, metrics), world(metrics)]
    return [one for one in found if one]


def physicians(run: Run, metrics: Sequence[RunMetric]) -> str:
    """'' where the recipe does not reward them, or something of them has been rewarded."""
    if not _rewards_physicians(run) or any(f"reward_{PHYSICIANS}" in row.values for row in metrics):
        return ""
    return SENTENCES["physicians"].format(why=SENTENCES["no_criteria" if run.snapshot_id else "no_snapshot"])


def world(metrics: Sequence[RunMetric]) -> str:
    """What the plausibility alarm says, or that it has no data."""
    told = [row for row in metrics if PLAUSIBILITY in row.values]
    if not told:
        return SENTENCES["no_data"]
    nan = float("nan")
    series = ([_number(row, name, nan) for row in told] for name in ("reward", PLAUSIBILITY))
    found = plausibility_alarm.alarm(*series)
    if found.rings:
        return found.sentence
    return SENTENCES["too_few" if found.reward is None else "quiet"].format(steps=found.steps)


def _number(row: RunMetric, name: str, missing: float) -> float:
    value = row.values.get(name)
    return float(value) if isinstance(value, int | float) else missing


def _rewards_physicians(run: Run) -> bool:
    try:
        return PHYSICIANS in recipes.load(run.recipe).rewards()
    except (OSError, ValueError):  # a recipe of an earlier version
        return False
