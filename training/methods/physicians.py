"""Slot S3: what physicians asked for, as a reward: the rubric's score over the criteria that a judge may reward.

Which criteria those are is decided where the physicians' agreement with the judge is known
(training.rewards_by_judge); a run's data.jsonl holds them and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from agents import episodes
from agents.rubrics import Criterion, Rating, Verdict, score
from agents.types import Episode
from training.methods.registry import register
from training.methods.rewards import Array, Context, Unscored

EXTRA = "physicians"


class Judge(Protocol):
    async def rate(self, episode: Episode, criterion: Criterion) -> Rating: ...


async def rated(episode: Episode, criteria: Sequence[Criterion], judge: Judge) -> dict[str, Any]:
    """{"score": 0..1 or None where nothing could be decided, "coverage", "errors": how many verdicts failed}."""
    ratings = [await judge.rate(episode, criterion) for criterion in criteria]
    errors = sum(rating.verdict is Verdict.ERROR for rating in ratings)
    found = score(criteria, ratings)
    return {"score": found.value, "coverage": found.coverage, "errors": errors}


@register("reward", "physicians")
def physicians(episode: Episode, context: Context) -> Array | None:
    """The share of the physicians' points that the consultation earned, times the case's weight, on the last turn. (T,)

    Abstains where the case has no criteria that a judge could decide; raises Unscored where the judge failed.
    """
    told: Mapping[str, Any] | None = context.extra.get(EXTRA)
    if told is None:
        return None
    if told["errors"]:
        raise Unscored(f"{told['errors']} verdicts of the judge failed")
    if told["score"] is None:
        return None
    row = np.zeros(episodes.utterances(episode))
    if len(row):
        row[-1] = told["score"] * told.get("weight", 1.0)
    return row
