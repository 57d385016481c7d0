"""Cohen's kappa: of two raters, plain (Cohen 1960) or weighted by distance (Cohen 1968), and of all pairs of raters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from agents.agreement.bootstrap import REPEATS, Additive, Array, Estimate, beyond_chance, stratified
from agents.agreement.coincidences import coincidences, pairable, table_of, values_of

Weights = Literal["linear", "quadratic"] | None


def weighted_kappa(
    a: ArrayLike, b: ArrayLike, *, weights: Weights = None, categories: Sequence[float] | None = None
) -> float:
    """Kappa of two raters' verdicts (units,), nan where one left a unit out; at most 1, 0 as by chance.

    `categories` in their order, those that occur where None; weights count steps in that order. nan without units, or
    where chance alone would agree completely. Raises ValueError for unequal lengths and values outside `categories`.
    """
    return _two(a, b, weights, categories, None)[0].of_all()


def kappa_interval(
    a: ArrayLike,
    b: ArrayLike,
    *,
    weights: Weights = None,
    categories: Sequence[float] | None = None,
    strata: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    repeats: int = REPEATS,
    seed: int = 0,
) -> Estimate:
    """Kappa with its 95 % bootstrap interval; verdicts, nan and errors as weighted_kappa.

    Chance is reckoned within each of `strata` (units,); whole `clusters` (units,) are drawn again.
    """
    additive, counted = _two(a, b, weights, categories, strata)
    kept = None if clusters is None else np.asarray(clusters)[counted]
    return additive.interval(clusters=kept, repeats=repeats, seed=seed)


def pairs_kappa_interval(
    ratings: ArrayLike,
    *,
    weights: Weights = None,
    categories: Sequence[float] | None = None,
    strata: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    repeats: int = REPEATS,
    seed: int = 0,
) -> Estimate:
    """Kappa of every pair of raters of a unit in both orders, a unit's pairs together weighing its raters.

    Ratings are (units, raters), nan where a rater left a unit out; otherwise as kappa_interval. It needs no rater in
    every unit; chance has the margins of all raters together (Fleiss 1971).
    """
    table = table_of(ratings)
    counted = pairable(table)
    values = _values(values_of(table), categories)
    strata, clusters = (None if names is None else np.asarray(names)[counted] for names in (strata, clusters))
    additive = of_cells(coincidences(table[counted], values), _costs(len(values), weights), strata)
    return additive.interval(clusters=clusters, repeats=repeats, seed=seed)


def _two(
    a: ArrayLike, b: ArrayLike, weights: Weights, categories: Sequence[float] | None, strata: ArrayLike | None
) -> tuple[Additive, Array]:
    """What kappa is made of, and which units count, (units,) of bool."""
    first, second = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError("both raters judge the same units")
    counted = ~(np.isnan(first) | np.isnan(second))
    first, second = first[counted], second[counted]
    values = _values(np.union1d(first, second), categories)
    cells = (first[:, None] == values)[:, :, None] & (second[:, None] == values)[:, None, :]
    kept = None if strata is None else np.asarray(strata)[counted]
    parts = cells.reshape(len(first), len(values) ** 2).astype(float)
    return of_cells(parts, _costs(len(values), weights), kept), counted


def _values(seen: Array, categories: Sequence[float] | None) -> Array:
    values = seen if categories is None else np.asarray(categories, dtype=float)
    if not np.isin(seen, values).all():
        raise ValueError("a verdict is not among the categories")
    return values


def _costs(size: int, weights: Weights) -> Array:
    """What a disagreement counts, (V, V)."""
    if weights not in (None, "linear", "quadratic"):
        raise ValueError("weights are None, linear or quadratic")
    steps = np.abs(np.subtract.outer(np.arange(size), np.arange(size))).astype(float)
    if weights is None:
        return 1 - np.eye(size)
    return steps if weights == "linear" else steps**2


def of_cells(parts: Array, costs: Array, strata: Array | None) -> Additive:
    """Kappa of each unit's part of the confusion matrix, (U, V * V), with costs (V, V), chance within strata (U,)."""
    spread, layers = stratified(parts, strata)

    def matrix(sums: Array) -> Array:
        return sums.reshape(*sums.shape[:-1], layers, *costs.shape)

    def expected(sums: Array) -> Array:
        cells = matrix(sums)
        dealt = cells.sum(axis=-1)[..., :, None] * cells.sum(axis=-2)[..., None, :]
        return np.asarray(((dealt * costs).sum(axis=(-2, -1)) / np.maximum(cells.sum(axis=(-2, -1)), 1)).sum(axis=-1))

    def value(sums: Array) -> Array:
        return beyond_chance((matrix(sums) * costs).sum(axis=(-3, -2, -1)), expected(sums))

    def chance(sums: Array) -> Array:
        return np.asarray(expected(sums) / (sums.sum(axis=-1) * costs.max(initial=0)))

    return Additive(spread, value, chance)
