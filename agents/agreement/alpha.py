"""Krippendorff's alpha: agreement of any number of raters, any of whom may have left units out.

Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), and Content Analysis (2004), chapter 11: the
coincidence matrix of values within units against the one expected of the same values dealt out at random.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from agents.agreement.bootstrap import REPEATS, Array, Estimate, Statistic, estimate

LEVELS = ("nominal", "ordinal", "interval")


def alpha(ratings: ArrayLike, *, level: str = "nominal") -> float:
    """Alpha of ratings (units, raters), nan where a rater left a unit out; at most 1, 0 as by chance.

    `level` is one of LEVELS. nan where no unit has two ratings, or where all of them are the same value: with no
    variation there is nothing to agree about. Raises ValueError for another level or shape.
    """
    parts, statistic, _ = _parts(ratings, level)
    return float(statistic(parts.sum(axis=0))) if len(parts) else float("nan")


def alpha_interval(ratings: ArrayLike, *, level: str = "nominal", repeats: int = REPEATS, seed: int = 0) -> Estimate:
    """Alpha of ratings (units, raters) with its 95 % bootstrap interval over units; arguments and errors as alpha.

    `units` counts those with two ratings or more. Where nothing disagrees, the lower bound is the exact binomial one.
    """
    parts, statistic, chance = _parts(ratings, level)
    return estimate(parts, statistic, repeats=repeats, seed=seed, chance=chance)


def _parts(ratings: ArrayLike, level: str) -> tuple[Array, Statistic, Statistic]:
    """What each unit adds to the coincidences, (U, V * V), and what is made of their sums."""
    table = np.asarray(ratings, dtype=float)
    if level not in LEVELS or table.ndim != 2:
        raise ValueError(f"ratings are (units, raters), and the level is one of {', '.join(LEVELS)}")
    values = np.unique(table[~np.isnan(table)])  # (V,)
    counts = (table[:, :, None] == values).sum(axis=1).astype(float)  # (U, V)
    counts = counts[counts.sum(axis=1) > 1]
    size = len(values)
    # o_ck of one unit: pairs of different raters that gave c and k, divided by raters - 1.
    pairs = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(size)
    parts = pairs / (counts.sum(axis=1) - 1)[:, None, None]  # (U, V, V)
    return (
        parts.reshape(len(counts), size * size),
        lambda sums: _alpha(sums, values, level),
        lambda sums: _expected_share(sums, values, level),
    )


def _alpha(sums: Array, values: Array, level: str) -> Array:
    """(..., V * V) -> (...)."""
    observed, expected = _disagreement(sums, values, level)
    possible = expected > 1e-12
    return np.asarray(np.where(possible, 1 - observed / np.where(possible, expected, 1), np.nan))


def _expected_share(sums: Array, values: Array, level: str) -> Array:
    """Disagreement by chance, per pair, in units of the largest possible one."""
    _, expected = _disagreement(sums, values, level)
    seen = sums.reshape(*sums.shape[:-1], len(values), len(values)).sum(axis=-1)
    largest = _distances(seen, values, level).max(axis=(-2, -1))
    return np.asarray(expected / (seen.sum(axis=-1) * largest))


def _disagreement(sums: Array, values: Array, level: str) -> tuple[Array, Array]:
    """Observed and expected disagreement, (...) each, both times the number of pairable values."""
    size = len(values)
    coincidences = sums.reshape(*sums.shape[:-1], size, size)
    seen = coincidences.sum(axis=-1)  # (..., V)
    total = seen.sum(axis=-1)
    distances = _distances(seen, values, level)
    observed = (coincidences * distances).sum(axis=(-2, -1))
    dealt = seen[..., :, None] * seen[..., None, :] - seen[..., :, None] * np.eye(size)
    expected = (dealt * distances).sum(axis=(-2, -1)) / np.maximum(total - 1, 1)
    return np.asarray(observed), np.asarray(expected)


def _distances(seen: Array, values: Array, level: str) -> Array:
    """Squared distance of every two values, (..., V, V); ordinal ones rest on how often the ranks between were seen."""
    if level == "nominal":
        return 1 - np.eye(len(values))
    if level == "interval":
        gaps: NDArray[np.float64] = (values[:, None] - values[None, :]) ** 2
        return gaps
    middle = np.cumsum(seen, axis=-1) - seen / 2
    return np.asarray((middle[..., :, None] - middle[..., None, :]) ** 2)
