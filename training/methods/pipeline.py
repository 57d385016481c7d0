"""A recipe applied to a batch of episodes: components, composed reward, advantage, what stays, weight per token."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.episodes import utterances
from agents.types import End, Episode
from training.methods.advantage import no_signal
from training.methods.credit import token_layout
from training.methods.recipe import Recipe
from training.methods.rewards import Context, Unscored, turns_of

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    """Components of a batch: values (E, C, T), NaN where one abstains; `unscored` says why an episode has none."""

    values: Array
    names: tuple[str, ...]
    unscored: Mapping[int, str]


@dataclass(frozen=True)
class Batch:
    """What a trainer needs: advantage (E,) or (E, T), `kept` (E,), the sampled tokens' advantages per episode.

    `log` counts kept, unscored and dropped episodes, groups without signal, and names the weights.
    """

    rewards: Array
    advantages: Array
    kept: NDArray[np.bool_]
    tokens: list[Array]
    log: dict[str, Any]


def table(episodes: Sequence[Episode], contexts: Sequence[Context], recipe: Recipe) -> Table:
    """Every component of every episode; an episode that any component cannot score is unscored as a whole."""
    components = recipe.rewards()
    values = np.zeros((len(episodes), len(components), turns_of(episodes)))
    unscored: dict[int, str] = {}
    for e, (episode, context) in enumerate(zip(episodes, contexts, strict=True)):
        try:
            if episode.end is End.ENV_ERROR:
                raise Unscored(episode.error or "the environment failed")
            for c, component in enumerate(components.values()):
                row = component(episode, context)
                values[e, c, : utterances(episode)] = np.nan if row is None else row
        except Unscored as reason:
            unscored[e] = str(reason)
    return Table(values, tuple(components), unscored)


def apply(episodes: Sequence[Episode], contexts: Sequence[Context], recipe: Recipe) -> Batch:
    """The batch of a recipe; also stores each episode's reward on it, and None on the unscored."""
    parts = table(episodes, contexts, recipe)
    rewards, weights = recipe.call("compose", parts.values, parts.names)
    _store(episodes, parts, rewards, weights)
    returns = rewards.sum(axis=1)
    returns[list(parts.unscored)] = np.nan
    groups: list[Hashable] = [episode.group for episode in episodes]
    advantages = recipe.call("advantage", returns, groups)
    kept = recipe.call("keep", episodes, advantages) & ~np.isnan(returns)
    tokens = [
        token_advantages(advantages[e], recipe.call("credit", rewards[e, : utterances(episode)], episode), episode)
        * kept[e]
        for e, episode in enumerate(episodes)
    ]
    log = {
        "episodes": len(episodes),
        "kept": int(kept.sum()),
        "unscored": len(parts.unscored),
        "no_signal": len(no_signal(returns, groups)),
        "groups": len(set(groups)),
        "weights": weights,
    }
    return Batch(rewards, advantages, kept, tokens, log)


def token_advantages(advantage: Array, weight: Array, episode: Episode) -> Array:
    """Advantage of an episode () or of its turns (T,), times the credit of each token: (N,); 0 outside the policy's."""
    turn, mask = token_layout(episode)
    per_token = np.where(turn >= 0, np.asarray(advantage)[turn] if np.ndim(advantage) else advantage, 0.0)
    return np.asarray(per_token * weight * mask)


def _store(episodes: Sequence[Episode], parts: Table, rewards: Array, weights: Mapping[str, float]) -> None:
    for e, episode in enumerate(episodes):
        if e in parts.unscored:
            episode.reward = None
            continue
        told = {
            name: float(parts.values[e, c].sum())
            for c, name in enumerate(parts.names)
            if not np.isnan(parts.values[e, c]).any()
        }
        episode.reward = {"parts": told, "weights": dict(weights), "total": float(rewards[e].sum())}
