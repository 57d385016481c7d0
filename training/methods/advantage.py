"""Slot S7: the reward of an episode relative to its group."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.methods.registry import register

Array = NDArray[np.float64]
EPSILON = 1e-6


@register("advantage", "grpo")
def grpo(returns: ArrayLike, groups: Sequence[Hashable], *, epsilon: float = EPSILON) -> Array:
    """(R - group mean) / (group sd + epsilon), sd with ddof 1 (arXiv 2402.03300). (E,) -> (E,)

    A group of one keeps mean 0 and sd 1. NaN, an unscored episode, is left out of its group and gets 0.
    """
    return _by_group(returns, groups, lambda r: (r - r.mean()) / (r.std(ddof=1) + epsilon))


@register("advantage", "dr_grpo")
def dr_grpo(returns: ArrayLike, groups: Sequence[Hashable]) -> Array:
    """R - group mean, without the division that favours groups of small spread (arXiv 2503.20783). (E,) -> (E,)"""
    return _by_group(returns, groups, lambda r: r - r.mean())


@register("advantage", "rloo")
def rloo(returns: ArrayLike, groups: Sequence[Hashable]) -> Array:
    """R minus the mean of the others in the group (arXiv 2402.14740). (E,) -> (E,)"""
    return _by_group(returns, groups, lambda r: (r - r.mean()) * len(r) / (len(r) - 1))


def no_signal(returns: ArrayLike, groups: Sequence[Hashable]) -> list[Hashable]:
    """The groups whose scored episodes are all rewarded alike (or none is scored): they teach nothing."""
    r = np.asarray(returns, dtype=float)
    found = []
    for group in dict.fromkeys(groups):
        scored = r[_members(groups, group)]
        scored = scored[~np.isnan(scored)]
        if not len(scored) or np.ptp(scored) == 0:
            found.append(group)
    return found


def _by_group(returns: ArrayLike, groups: Sequence[Hashable], centred: Callable[[Array], Array]) -> Array:
    r = np.asarray(returns, dtype=float)
    if r.shape != (len(groups),):
        raise ValueError("one group per return is needed")
    out = np.zeros_like(r)
    for group in dict.fromkeys(groups):
        rows = np.flatnonzero(_members(groups, group) & ~np.isnan(r))
        if len(rows) == 1:
            out[rows] = r[rows]
        elif len(rows) and np.ptp(r[rows]) > 0:
            # Equal rewards are 0 exactly: rounding in the mean, divided by epsilon, would make noise of them.
            out[rows] = centred(r[rows])
    return out


def _members(groups: Sequence[Hashable], group: Hashable) -> NDArray[np.bool_]:
    return np.array([other == group for other in groups], dtype=bool)
