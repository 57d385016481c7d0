"""Slot S3: reward components, one number per utterance of the policy; what the outcome earns stands on the last turn.

R = 1 accuracy + 0.5 exam F1 + 0.1 finished within the limit (arXiv 2510.24654, Eq. 11-14; weights in slot S5). An
episode that a judge or the environment left without an outcome is Unscored, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents import episodes
from agents.matching import DiagnosisMatch, ListingRule, match_diagnosis, match_examinations
from agents.types import MAX_TURNS, End, Episode
from training.methods.registry import register

Array = NDArray[np.float64]
WEIGHTS = {"accuracy": 1.0, "exam_f1": 0.5, "finished": 0.1}


class Unscored(Exception):
    """This episode has no reward: it leaves the update and is counted (engineering.md, Rubrics and judges)."""


@dataclass(frozen=True)
class Context:
    """What rewards may know and policies never see: answer and reference examinations of the episode's case.

    `match` is a verdict settled beforehand (with a judge, see agents.matching.settle_diagnosis); `unscored` says why
    there is none; `extra` carries what other components need.
    """

    answer: str
    reference: tuple[str, ...] = ()
    match: DiagnosisMatch | None = None
    unscored: str | None = None
    rule: ListingRule = field(default_factory=ListingRule)
    extra: Mapping[str, Any] = field(default_factory=dict)


@register("reward", "accuracy")
def accuracy(episode: Episode, context: Context) -> Array:
    """1 where the episode finished with the right diagnosis, else 0; raises Unscored. (T,)"""
    if episode.end is not End.FINISH:
        return _last(episode, 0.0)
    if context.unscored:
        raise Unscored(context.unscored)
    match = context.match or match_diagnosis(episode.diagnosis, context.answer, rule=context.rule)
    return _last(episode, float(match.correct is True))


@register("reward", "exam_f1")
def exam_f1(episode: Episode, context: Context) -> Array:
    """F1 of what was ordered against the reference examinations, 0..1, malformed episodes included. (T,)"""
    return _last(episode, match_examinations(episodes.ordered(episode), context.reference).f1)


@register("reward", "finished")
def finished(episode: Episode, context: Context, *, within: int = MAX_TURNS) -> Array:
    """1 where the policy itself named a diagnosis within `within` agent turns, else 0. (T,)"""
    own = episode.end is End.FINISH and not episode.forced
    return _last(episode, float(own and episode.agent_turns <= within))


def reward_of(parts: Mapping[str, float], weights: Mapping[str, float] | None = None) -> dict[str, Any]:
    """What Episode.reward stores: the parts, their weights and the total. KeyError for a part without a weight."""
    weights = weights or WEIGHTS
    total = sum(weights[name] * value for name, value in parts.items())
    return {"parts": dict(parts), "weights": {name: weights[name] for name in parts}, "total": total}


def score(
    episode: Episode, context: Context, *, weights: Mapping[str, float] | None = None, within: int = MAX_TURNS
) -> dict[str, Any]:
    """The default reward of one episode, also put on it; raises Unscored."""
    if episode.end is End.ENV_ERROR:
        raise Unscored(episode.error or "the environment failed")
    parts = {
        "accuracy": accuracy(episode, context).sum(),
        "exam_f1": exam_f1(episode, context).sum(),
        "finished": finished(episode, context, within=within).sum(),
    }
    episode.reward = reward_of({name: float(value) for name, value in parts.items()}, weights)
    return episode.reward


def turns_of(group: Sequence[Episode]) -> int:
    """The T of a table: the most utterances of one episode, malformed ones included."""
    return max((episodes.utterances(episode) for episode in group), default=0)


def _last(episode: Episode, value: float) -> Array:
    row = np.zeros(episodes.utterances(episode))
    if len(row):
        row[-1] = value
    return row
