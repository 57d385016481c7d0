"""Slot S2: how episodes of one case are produced."""

from __future__ import annotations

from agents.rollout import Limits, run_episodes
from agents.types import MAX_TURNS, Episode
from training.evaluation.cases import EvaluationCase
from training.evaluation.policies import Player
from training.methods.registry import register


@register("rollout", "group")
async def group(
    player: Player, case: EvaluationCase, n: int, *, max_turns: int = MAX_TURNS, tokens: bool = True
) -> list[Episode]:
    """`n` independent episodes of one case, each in its own environment, one group. Failures stay on their episode."""
    environments = [case.environment() for _ in range(n)]
    speaker = player.seat(case.id, environments[0].world)
    return await run_episodes(speaker, environments, limits=Limits(max_turns=max_turns), tokens=tokens, concurrency=n)
