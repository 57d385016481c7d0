"""Slot S2: how episodes of one case are produced."""

from __future__ import annotations

from agents.rollout import Limits, run_episodes
from agents.types import MAX_TURNS, Episode
from training.evaluation.cases import EvaluationCase
from training.evaluation.policies import Player
from training.methods.registry import register

REPAIRS = Limits().repairs


@register("rollout", "group")
async def group(
    player: Player,
    case: EvaluationCase,
    n: int,
    *,
    max_turns: int = MAX_TURNS,
    repairs: int = REPAIRS,
    tokens: bool = True,
) -> list[Episode]:
    """`n` independent episodes of one case, one group, each with an environment and a seat of its own.

    `repairs` is how often in a row a malformed answer is asked for again. Failures stay on their episode.
    """
    environments = [case.environment() for _ in range(n)]
    speakers = [player.seat(case.id, environment.world) for environment in environments]
    limits = Limits(max_turns=max_turns, repairs=repairs)
    return await run_episodes(speakers, environments, limits=limits, tokens=tokens, concurrency=n)
