"""Slot S5: from components to one reward per turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from training.methods.registry import register
from training.methods.rewards import WEIGHTS

Array = NDArray[np.float64]


@register("compose", "weighted_sum")
def weighted_sum(
    table: Array, names: Sequence[str], *, weights: Mapping[str, float] | None = None
) -> tuple[Array, dict[str, float]]:
    """r[e, t] = sum over c of w[c] R[e, c, t], and the weights.

    NaN in R means that a component abstains on that episode: it adds nothing. Raises KeyError for a component without
    a weight and ValueError for weights of none: a misspelled name must not become a zero.
    """
    weights = dict(WEIGHTS if weights is None else weights)
    used = {name: float(weights[name]) for name in names}
    if spare := sorted(set(weights) - set(names)):
        raise ValueError(f"weights of components that the recipe does not have: {', '.join(spare)}")
    vector = np.array([used[name] for name in names])
    return np.einsum("c,ect->et", vector, np.nan_to_num(table, nan=0.0)), used
