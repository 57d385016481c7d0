"""Slot S11: numbers that are watched and change nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from agents import episodes as read
from agents.types import End, Episode
from training.methods.plausibility_alarm import LEVEL, WINDOW, alarm
from training.methods.registry import register


@register("probe", "outcomes")
def outcomes(checkpoint: str | None, episodes: Sequence[Episode], logs: Mapping[str, Any]) -> dict[str, float]:
    """Mean reward and parts, turns, examinations, and shares of ends, over the episodes that have a reward."""
    scored = [episode for episode in episodes if episode.reward]
    found = {"episodes": float(len(episodes)), "unscored": float(len(episodes) - len(scored))}
    if not scored:
        return found
    rewards = [episode.reward for episode in scored if episode.reward]
    found["reward"] = float(np.mean([reward["total"] for reward in rewards]))
    for part in sorted({name for reward in rewards for name in reward["parts"]}):
        found[part] = float(np.mean([reward["parts"].get(part, 0.0) for reward in rewards]))
    found["turns"] = float(np.mean([episode.agent_turns for episode in scored]))
    found["examinations"] = float(np.mean([len(read.ordered(episode)) for episode in scored]))
    for end in (End.FINISH, End.DEFER, End.MALFORMED, End.MAX_TURNS):
        found[end.lower()] = float(np.mean([episode.end is end for episode in scored]))
    return found


@register("probe", "plausibility")
def plausibility(
    checkpoint: str | None,
    episodes: Sequence[Episode],
    logs: Mapping[str, Any],
    *,
    window: int = WINDOW,
    level: float = LEVEL,
) -> dict[str, float]:
    """Whether reward rises while plausibility falls; `logs` holds the run's series "reward" and "plausibility"."""
    found = alarm(logs.get("reward", ()), logs.get("plausibility", ()), window=window, level=level)
    told = {"plausibility_alarm": float(found.rings)}
    for name, line in (("reward", found.reward), ("plausibility", found.plausibility)):
        if line is not None:
            told |= {f"{name}_trend": line.tau, f"{name}_slope": line.slope}
    return told
