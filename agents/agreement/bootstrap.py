"""Bootstrap intervals over units, for statistics of sums: what a unit adds is resampled, not the unit."""

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
    distinct, counts = np.unique(rows, axis=0, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(len(rows), counts / len(rows), size=repeats)  # (B, D)
    values = statistic(drawn @ distinct)  # (B,)
    if np.isnan(values).mean() > UNDEFINED:
        return nan, nan
    low, high = np.nanquantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def exact_low(units: int, *, level: float = LEVEL) -> float:
    """Lower bound of a share of which `units` of `units` were successes (Clopper and Pearson 1934), 0..1."""
    return float(((1 - level) / 2) ** (1 / units)) if units else 0.0


def estimate(
    parts: Array, statistic: Statistic, *, repeats: int, seed: int, chance: Statistic | None = None
) -> Estimate:
    """The statistic of parts (U, K) with its interval.

    Where it is 1, every resample is 1 and the interval would have no width: then the lower bound is that of the exact
    binomial, scaled by `chance`, the disagreement expected of sums (..., K) -> (...), 1 where None.
    """
    whole = parts.sum(axis=0)
    value = float(statistic(whole)) if len(parts) else nan
    if value < 1 - 1e-12 or isnan(value):
        return Estimate(value, *bootstrap_ci(parts, statistic, repeats=repeats, seed=seed), len(parts))
    expected = float(chance(whole)) if chance else 1.0
    return Estimate(1.0, 1 - (1 - exact_low(len(parts))) / expected, 1.0, len(parts))
