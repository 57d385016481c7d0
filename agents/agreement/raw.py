"""Raw agreement: how often two raters of one unit said the same, chance not taken off."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from agents.agreement.bootstrap import REPEATS, Additive, Array, Estimate
from agents.agreement.coincidences import coincidences, pairable, table_of, values_of


def raw_agreement(ratings: ArrayLike) -> float:
    """Mean over units of the share of agreeing pairs of raters, 0..1 (the P-bar of Fleiss 1971).

    Ratings are (units, raters), nan where a rater left a unit out; nan where no unit has two. Raises ValueError for
    another shape.
    """
    return _additive(table_of(ratings)).of_all()


def raw_interval(
    ratings: ArrayLike, *, clusters: ArrayLike | None = None, repeats: int = REPEATS, seed: int = 0
) -> Estimate:
    """Raw agreement of ratings (units, raters) with its 95 % bootstrap interval; nan and errors as raw_agreement.

    Whole `clusters` (units,) are drawn again. Where nothing disagrees, the lower bound is the exact binomial one.
    """
    table = table_of(ratings)
    kept = None if clusters is None else np.asarray(clusters)[pairable(table)]
    return _additive(table).interval(clusters=kept, repeats=repeats, seed=seed)


def _additive(table: Array) -> Additive:
    """(agreeing share, 1) of each unit with two ratings, (U, 2)."""
    table = table[pairable(table)]
    values = values_of(table)
    met = coincidences(table, values).reshape(len(table), len(values), len(values))
    agreeing = np.trace(met, axis1=1, axis2=2) / met.sum(axis=(1, 2)) if len(table) else np.zeros(0)
    return Additive(
        np.column_stack([agreeing, np.ones(len(table))]),
        lambda sums: np.asarray(sums[..., 0] / sums[..., 1]),
        lambda sums: np.ones(sums.shape[:-1]),
    )
