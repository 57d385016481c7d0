"""Krippendorff's alpha: agreement of any number of raters, any of whom may have left units out.

Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), and Content Analysis (2004), chapter 11: the
disagreement within units against the one expected of the same values dealt out at random.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from agents.agreement.bootstrap import REPEATS, Additive, Array, Estimate, beyond_chance, stratified
from agents.agreement.coincidences import coincidences, pairable, table_of, values_of

LEVELS = ("nominal", "ordinal", "interval")


def alpha(ratings: ArrayLike, *, level: str = "nominal") -> float:
    """Alpha of ratings (units, raters), nan where a rater left a unit out; at most 1, 0 as by chance.

    `level` is one of LEVELS. nan where no unit has two ratings, or where all of them are the same value: with no
    variation there is nothing to agree about. Raises ValueError for another level or shape.
    """
    return _additive(ratings, level, None)[0].of_all()


def alpha_interval(
    ratings: ArrayLike,
    *,
    level: str = "nominal",
    strata: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    repeats: int = REPEATS,
    seed: int = 0,
) -> Estimate:
    """Alpha of ratings (units, raters) with its 95 % bootstrap interval; level, nan and errors as alpha.

    Chance is reckoned within each of `strata` (units,), such as criteria, so that criteria which differ in how often
    they are met do not pass for agreement. Whole `clusters` (units,), such as consultations, are drawn again. `units`
    counts those with two ratings or more.
    """
    additive, counted = _additive(ratings, level, strata)
    kept = None if clusters is None else np.asarray(clusters)[counted]
    return additive.interval(clusters=kept, repeats=repeats, seed=seed)


def _additive(ratings: ArrayLike, level: str, strata: ArrayLike | None) -> tuple[Additive, Array]:
    """What alpha is made of, and which units count, (units,) of bool."""
    if level not in LEVELS:
        raise ValueError(f"the level is one of {', '.join(LEVELS)}")
    table = table_of(ratings)
    counted = pairable(table)
    table, kept = table[counted], None if strata is None else np.asarray(strata)[counted]
    made = _interval(table, kept) if level == "interval" else _ranked(table, kept, level)
    return made, counted


def _ranked(table: Array, strata: Array | None, level: str) -> Additive:
    values = values_of(table)
    parts, layers = stratified(coincidences(table, values), strata)
    shape = (layers, len(values), len(values))

    def disagreement(sums: Array) -> tuple[Array, Array, Array]:
        """Observed, expected, and the largest possible one, (...) each."""
        matrix = sums.reshape(*sums.shape[:-1], *shape)
        seen = matrix.sum(axis=-1)  # (..., S, V)
        total = seen.sum(axis=-1)  # (..., S)
        distances = _distances(seen, level)
        dealt = seen[..., :, None] * seen[..., None, :] - seen[..., :, None] * np.eye(len(values))
        expected = (dealt * distances).sum(axis=(-2, -1)) / np.maximum(total - 1, 1)
        most = total * distances.max(axis=(-2, -1), initial=0)
        return (matrix * distances).sum(axis=(-3, -2, -1)), expected.sum(axis=-1), most.sum(axis=-1)

    def value(sums: Array) -> Array:
        observed, expected, _ = disagreement(sums)
        return beyond_chance(observed, expected)

    def chance(sums: Array) -> Array:
        _, expected, most = disagreement(sums)
        return np.asarray(expected / most)

    return Additive(parts, value, chance)


def _distances(seen: Array, level: str) -> Array:
    """Squared distance of every two values, (..., V, V); ordinal ones rest on how often the ranks between were seen."""
    if level == "nominal":
        return np.broadcast_to(1 - np.eye(seen.shape[-1]), (*seen.shape, seen.shape[-1]))
    middle = np.cumsum(seen, axis=-1) - seen / 2
    return np.asarray((middle[..., :, None] - middle[..., None, :]) ** 2)


def _interval(table: Array, strata: Array | None) -> Additive:
    """Squared differences need four sums of a unit, however many values there are."""
    table = table - np.nanmean(table) if len(table) else table
    raters = (~np.isnan(table)).sum(axis=1).astype(float)
    first, second = np.nansum(table, axis=1), np.nansum(table**2, axis=1)
    within = 2 * (raters * second - first**2) / np.maximum(raters - 1, 1)
    parts, layers = stratified(np.column_stack([within, raters, first, second]), strata)
    widest = float(np.nanmax(table) - np.nanmin(table)) ** 2 if len(table) else 0.0

    def expected(sums: Array) -> tuple[Array, Array, Array]:
        observed, n, once, twice = np.moveaxis(sums.reshape(*sums.shape[:-1], layers, 4), -1, 0)
        dealt = np.maximum(2 * (n * twice - once**2), 0) / np.maximum(n - 1, 1)
        return np.maximum(observed.sum(axis=-1), 0), dealt.sum(axis=-1), n.sum(axis=-1) * widest

    def value(sums: Array) -> Array:
        observed, dealt, _ = expected(sums)
        return beyond_chance(observed, dealt)

    def chance(sums: Array) -> Array:
        _, dealt, most = expected(sums)
        return np.asarray(dealt / most)

    return Additive(parts, value, chance)
