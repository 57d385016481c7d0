"""Prediction-powered inference: many scores of a judge, corrected by a few of physicians, with a valid interval.

Angelopoulos, Bates, Fannjiang, Jordan and Zrnic, Science 382, 669 (2023); the weight that is put on the judge is tuned
as in Angelopoulos, Duchi and Zrnic, arXiv 2311.01453 (2023), so that a useless judge costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
from numpy.typing import ArrayLike

from agents.agreement.bootstrap import Array

Z = 1.959963984540054
"""97.5 % point of the normal distribution: every interval here is a 95 % one."""
FEWEST = 5
"""With fewer units that a physician scored there is no interval worth the name."""


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean with its 95 % interval; `labelled` units have both scores, `unlabelled` the judge's alone.

    `trust` is the weight of the judge, 0 to 1; everything is nan below FEWEST labelled units.
    """

    value: float
    low: float
    high: float
    labelled: int
    unlabelled: int = 0
    trust: float = 0.0

    @property
    def width(self) -> float:
        """Of the interval, in the unit of the scores."""
        return self.high - self.low


def classical_mean(scores: ArrayLike, *, bounds: tuple[float, float] | None = None) -> Mean:
    """Mean of scores (n,) with Student's 95 % interval, cut at `bounds`; nan below FEWEST."""
    found = _vector(scores)
    n = len(found)
    if n < FEWEST:
        return Mean(nan, nan, nan, n)
    return _mean(float(found.mean()), float(found.var(ddof=1)) / n, n, 0, 0.0, bounds)


def ppi_mean(
    physicians: ArrayLike,
    judged: ArrayLike,
    unlabelled: ArrayLike,
    *,
    tuned: bool = True,
    bounds: tuple[float, float] | None = None,
) -> Mean:
    """Mean of what physicians would have said of all units, in their unit, with a 95 % interval.

    `physicians` (n,) and `judged` (n,) score the same units, `unlabelled` (N,) are the judge's of others drawn from the
    same population. The mean of the judge's is corrected by what physicians say it is off by; without `tuned` the
    judge has full weight, as first published. Cut at `bounds`. Raises ValueError for unequal lengths.
    """
    y, f, rest = _vector(physicians), _vector(judged), _vector(unlabelled)
    if y.shape != f.shape:
        raise ValueError("physicians and judge score the same units")
    n, others = len(y), len(rest)
    if n < FEWEST or not others:
        return classical_mean(y, bounds=bounds)
    trust = _trust(y, f, rest) if tuned else 1.0
    value = trust * float(rest.mean()) + float((y - trust * f).mean())
    spread = float(rest.var(ddof=1)) if others > 1 else float(f.var(ddof=1))
    variance = trust**2 * spread / others + float((y - trust * f).var(ddof=1)) / n
    return _mean(value, variance, n, others, trust, bounds)


def _trust(y: Array, f: Array, rest: Array) -> float:
    """The weight of least variance: cov(y, f) / ((1 + n / N) var(f)), kept from 0 to 1."""
    spread = float(np.concatenate([f, rest]).var(ddof=1))
    if not spread:
        return 0.0
    together = float(np.cov(y, f)[0, 1])
    return min(1.0, max(0.0, together / ((1 + len(y) / len(rest)) * spread)))


def _mean(value: float, variance: float, n: int, others: int, trust: float, bounds: tuple[float, float] | None) -> Mean:
    reach = _student(n - 1) * sqrt(variance)
    low, high = bounds or (-np.inf, np.inf)
    return Mean(value, max(low, value - reach), min(high, value + reach), n, others, trust)


def _student(freedom: int) -> float:
    """97.5 % point of Student's t, by the expansion around the normal one (Abramowitz and Stegun 26.7.5)."""
    steps = (
        (Z**3 + Z) / 4,
        (5 * Z**5 + 16 * Z**3 + 3 * Z) / 96,
        (3 * Z**7 + 19 * Z**5 + 17 * Z**3 - 15 * Z) / 384,
    )
    return Z + sum(step / freedom**power for power, step in enumerate(steps, 1))


def _vector(scores: ArrayLike) -> Array:
    found = np.asarray(scores, dtype=float)
    if found.ndim != 1 or np.isnan(found).any():
        raise ValueError("scores are one row of numbers")
    return found
