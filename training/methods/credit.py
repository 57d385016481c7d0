"""Slot S6: how the reward of an episode is spread over its sampled tokens."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agents.types import Episode
from training.methods.registry import register

Array = NDArray[np.float64]
Index = NDArray[np.int_]


def token_layout(episode: Episode) -> tuple[Index, Index]:
    """(agent turn of each token, -1 outside; loss mask), both (N,), in the order of the turns.

    Tokens of the environment have mask 0. Raises ValueError where lists of one turn differ in length.
    """
    turns: list[int] = []
    masks: list[int] = []
    agent = -1
    for turn in episode.turns:
        agent += turn.role == "agent"
        if turn.tokens is None:
            continue
        if not len(turn.tokens.ids) == len(turn.tokens.mask) == len(turn.tokens.logprobs):
            raise ValueError(f"turn {turn.n} of {episode.case}: ids, log-probs and mask differ in length")
        own = turn.role == "agent"
        turns += [agent if own else -1] * len(turn.tokens.ids)
        masks += [mask if own else 0 for mask in turn.tokens.mask]
    return np.array(turns, dtype=int), np.array(masks, dtype=int)


@register("credit", "broadcast")
def broadcast(rewards: Array, episode: Episode) -> Array:
    """Every token the policy sampled carries the whole outcome: weight 1, environment tokens 0. (T,) -> (N,)"""
    _, mask = token_layout(episode)
    return mask.astype(float)
