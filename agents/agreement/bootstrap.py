"""Bootstrap intervals for statistics of sums: what a unit adds is drawn again, clusters as a whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isnan, nan

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Statistic = Callable[[Array], Array]
"""Sums over units (..., K) -> (...), nan where the statistic is not defined."""

REPEATS = 2000
LEVEL = 0.95
MOST_ROWS = 1000
GROUPS = 500
"""More distinct rows than MOST_ROWS are drawn as GROUPS random groups of equal size: as wide, at a bounded cost."""
UNDEFINED = 0.05
"""With a larger share of resamples without a value there is no interval: it would rest on the lucky ones."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A coefficient with its interval over `units` that count; nan where it is not defined."""

    value: float
    low: float
    high: float
    units: int

    @property
    def is_defined(self) -> bool:
        """Whether there is a value and an interval."""
        return not (isnan(self.value) or isnan(self.low))


def bootstrap_ci(
    parts: ArrayLike, statistic: Statistic, *, repeats: int = REPEATS, level: float = LEVEL, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval (Efron 1979) of statistic(sum of parts over units); parts (U, K), any units.

    Equal rows are drawn together: U draws from the distinct rows with their frequencies are the same bootstrap, at a
    cost that does not grow with U. (nan, nan) without units, or where more than UNDEFINED of the resamples have no
    value. Raises ValueError for parts that are not (U, K).
    """
    rows = np.asarray(parts, dtype=float)
    if rows.ndim != 2:
        raise ValueError("parts are (units, K)")
    if not len(rows):
        return nan, nan
    rng = np.random.default_rng(seed)
    distinct, counts = np.unique(rows, axis=0, return_counts=True)
    if len(distinct) > MOST_ROWS:
        distinct = rows = clustered(rows, rng.permutation(len(rows)) % GROUPS)
        counts = np.ones(GROUPS, dtype=int)
    drawn = rng.multinomial(len(rows), counts / len(rows), size=repeats)  # (B, D)
    values = statistic(drawn @ distinct)  # (B,)
    if np.isnan(values).mean() > UNDEFINED:
        return nan, nan
    low, high = np.nanquantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def exact_low(units: int, *, level: float = LEVEL) -> float:
    """Lower bound of a share of which `units` of `units` were successes (Clopper and Pearson 1934), 0..1."""
    return float(((1 - level) / 2) ** (1 / units)) if units else 0.0


@dataclass(frozen=True, slots=True)
class Additive:
    """A coefficient as sums: what each unit adds (U, K), what is made of the sums, and chance's disagreement.

    `chance` maps sums (..., K) to the disagreement expected by chance, 0..1 of the largest possible one.
    """

    parts: Array
    value: Statistic
    chance: Statistic

    def of_all(self) -> float:
        """The coefficient of all units; nan without any."""
        return float(self.value(self.parts.sum(axis=0))) if len(self.parts) else nan

    def interval(self, *, clusters: Array | None, repeats: int, seed: int) -> Estimate:
        """The coefficient with its 95 % interval over units, or over `clusters` (U,) of units drawn whole.

        Where nothing disagrees, every resample would say 1: then the lower bound is that of the exact binomial.
        """
        rows = self.parts if clusters is None else clustered(self.parts, clusters)
        value = self.of_all()
        if value < 1 - 1e-12 or isnan(value):
            return Estimate(value, *bootstrap_ci(rows, self.value, repeats=repeats, seed=seed), len(self.parts))
        expected = float(self.chance(self.parts.sum(axis=0)))
        return Estimate(1.0, 1 - (1 - exact_low(len(rows))) / expected, 1.0, len(self.parts))


def clustered(parts: Array, clusters: ArrayLike) -> Array:
    """Parts (U, K) summed over the units of each cluster: (C, K)."""
    names, where = np.unique(clusters, return_inverse=True)
    sums = np.zeros((len(names), parts.shape[1]))
    np.add.at(sums, where.ravel(), parts)
    return sums


def stratified(parts: Array, strata: Array | None) -> tuple[Array, int]:
    """Parts (U, K) in a column block of each unit's stratum, (U, S * K), and S; one stratum where None."""
    if strata is None:
        return parts, 1
    names, where = np.unique(strata, return_inverse=True)
    spread = np.zeros((len(parts), max(len(names), 1), parts.shape[1]))
    spread[np.arange(len(parts)), where.ravel()] = parts
    return spread.reshape(len(parts), spread.shape[1] * spread.shape[2]), spread.shape[1]


def beyond_chance(observed: Array, expected: Array) -> Array:
    """1 - observed / expected disagreement, (...); nan where chance could not disagree."""
    possible = expected > 1e-12
    return np.asarray(np.where(possible, 1 - observed / np.where(possible, expected, 1), np.nan))
