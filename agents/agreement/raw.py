"""Raw agreement: how often two raters of one unit said the same, chance not taken off."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from agents.agreement.bootstrap import REPEATS, Array, Estimate, estimate


def raw_agreement(ratings: ArrayLike) -> float:
    """Mean over units of the share of agreeing pairs of raters, 0..1 (the P-bar of Fleiss 1971).

    Ratings are (units, raters), nan where a rater left a unit out; nan where no unit has two. Raises ValueError for
    another shape.
    """
    parts = _parts(ratings)
    return float(_mean(parts.sum(axis=0))) if len(parts) else float("nan")


def raw_interval(ratings: ArrayLike, *, repeats: int = REPEATS, seed: int = 0) -> Estimate:
    """Raw agreement of ratings (units, raters) with its 95 % bootstrap interval over units; errors as raw_agreement.

    Where nothing disagrees, the lower bound is the exact binomial one.
    """
    return estimate(_parts(ratings), _mean, repeats=repeats, seed=seed)


def _parts(ratings: ArrayLike) -> Array:
    """(agreeing share, 1) of each unit with two ratings, (U, 2)."""
    table = np.asarray(ratings, dtype=float)
    if table.ndim != 2:
        raise ValueError("ratings are (units, raters)")
    values = np.unique(table[~np.isnan(table)])
    counts = (table[:, :, None] == values).sum(axis=1).astype(float)  # (U, V)
    raters = counts.sum(axis=1)
    counts, raters = counts[raters > 1], raters[raters > 1]
    shares = (counts * (counts - 1)).sum(axis=1) / (raters * (raters - 1))
    return np.column_stack([shares, np.ones(len(shares))])


def _mean(sums: Array) -> Array:
    """(..., 2) -> (...)."""
    return np.asarray(sums[..., 0] / sums[..., 1])
