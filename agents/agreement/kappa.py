"""Cohen's kappa of two raters: plain (Cohen 1960), and weighted by how far apart two verdicts are (Cohen 1968)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from agents.agreement.bootstrap import REPEATS, Array, Estimate, Statistic, estimate

Weights = Literal["linear", "quadratic"] | None


def weighted_kappa(
    a: ArrayLike, b: ArrayLike, *, weights: Weights = None, categories: Sequence[float] | None = None
) -> float:
    """Kappa of two raters' verdicts (units,), nan where one left a unit out; at most 1, 0 as by chance.

    `categories` in their order, those that occur where None; weights count steps in that order. nan without units, or
    where chance alone would agree completely. Raises ValueError for unequal lengths and values outside `categories`.
    """
    parts, statistic, _ = _parts(a, b, weights, categories)
    return float(statistic(parts.sum(axis=0))) if len(parts) else float("nan")


def kappa_interval(
    a: ArrayLike,
    b: ArrayLike,
    *,
    weights: Weights = None,
    categories: Sequence[float] | None = None,
    repeats: int = REPEATS,
    seed: int = 0,
) -> Estimate:
    """Kappa with its 95 % bootstrap interval over units; arguments and errors as weighted_kappa.

    Where nothing disagrees, the lower bound is the exact binomial one.
    """
    parts, statistic, chance = _parts(a, b, weights, categories)
    return estimate(parts, statistic, repeats=repeats, seed=seed, chance=chance)


def _parts(
    a: ArrayLike, b: ArrayLike, weights: Weights, categories: Sequence[float] | None
) -> tuple[Array, Statistic, Statistic]:
    """Each unit's cell of the confusion matrix, (U, V * V), and what is made of their sums."""
    first, second = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError("both raters judge the same units")
    both = ~(np.isnan(first) | np.isnan(second))
    first, second = first[both], second[both]
    seen = np.union1d(first, second)
    values = seen if categories is None else np.asarray(categories, dtype=float)
    if not np.isin(seen, values).all():
        raise ValueError("a verdict is not among the categories")
    size = len(values)
    cells = (first[:, None] == values)[:, :, None] & (second[:, None] == values)[:, None, :]
    costs = _costs(size, weights)
    return (
        cells.reshape(len(first), size * size).astype(float),
        lambda sums: _kappa(sums, costs),
        lambda sums: _expected(sums, costs) / (sums.sum(axis=-1) * max(costs.max(), 1)),
    )


def _costs(size: int, weights: Weights) -> Array:
    """What a disagreement counts, (V, V)."""
    if weights not in (None, "linear", "quadratic"):
        raise ValueError("weights are None, linear or quadratic")
    steps = np.abs(np.subtract.outer(np.arange(size), np.arange(size))).astype(float)
    if weights is None:
        return 1 - np.eye(size)
    return steps if weights == "linear" else steps**2


def _kappa(sums: Array, costs: Array) -> Array:
    """(..., V * V) -> (...)."""
    observed = sums @ costs.ravel()
    expected = _expected(sums, costs)
    possible = expected > 1e-12
    return np.asarray(np.where(possible, 1 - observed / np.where(possible, expected, 1), np.nan))


def _expected(sums: Array, costs: Array) -> Array:
    """Cost by chance with the margins as they are, (...), in units."""
    matrix = sums.reshape(*sums.shape[:-1], *costs.shape)
    rows, columns, total = matrix.sum(axis=-1), matrix.sum(axis=-2), matrix.sum(axis=(-2, -1))
    dealt = rows[..., :, None] * columns[..., None, :]
    return np.asarray((dealt * costs).sum(axis=(-2, -1)) / np.maximum(total, 1))
