"""Coincidences: which values met each other within a unit, whoever gave them (Krippendorff 2004, chapter 11)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from agents.agreement.bootstrap import Array


def table_of(ratings: ArrayLike) -> Array:
    """Ratings as (units, raters), nan where a rater left a unit out; raises ValueError for another shape."""
    table = np.asarray(ratings, dtype=float)
    if table.ndim != 2:
        raise ValueError("ratings are (units, raters)")
    return table


def pairable(table: Array) -> Array:
    """Which units have two ratings or more, (units,) of bool."""
    return np.asarray((~np.isnan(table)).sum(axis=1) > 1)


def values_of(table: Array) -> Array:
    """The values that occur, ascending, (V,)."""
    return np.unique(table[~np.isnan(table)])


def coincidences(table: Array, values: Array) -> Array:
    """o_ck of each unit: pairs of different raters that gave c and k, over its raters - 1; (U, V * V).

    Every unit of `table` (U, raters) has two ratings at least.
    """
    counts = (table[:, :, None] == values).sum(axis=1).astype(float)  # (U, V)
    pairs = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(len(values))
    return np.asarray((pairs / (counts.sum(axis=1) - 1)[:, None, None]).reshape(len(table), len(values) ** 2))
