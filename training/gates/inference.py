"""What a difference on paired cases allows to say: improved, no worse than a margin, worse, or undecided.

Every case is resampled whole with both its sides. `gain` is candidate minus baseline, turned so that more is better.
Non-inferiority is tested one-sided at ALPHA / 2 with Holm's correction over all such tests of a gate (Holm 1979);
the 95 % interval must leave the margin out as well. Equal outcomes in all cases do not prove equality: there the exact
binomial bound (Clopper and Pearson) stands in for an interval that would have no width, as it does for every share of
0/1 outcomes. FEWEST cases are needed: resampling two or three gives an interval that is far too narrow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.evaluation.statistics import sign_test

Array = NDArray[np.float64]
ALPHA = 0.05
REPEATS = 4000
BINS = 10
FEWEST = 20
"""Fewer cases than this decide nothing."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Candidate minus baseline over n cases, as measured (not turned); `draws` (REPEATS,) are resampled differences."""

    n: int
    candidate: float
    baseline: float
    difference: float
    low: float
    high: float
    wins: int
    losses: int
    draws: Array
    span: float

    def p_worse(self, margin: float, *, higher: bool) -> float:
        """One-sided p of "worse by the margin or more"; exact where no two sides differ in any case."""
        gains = self.draws if higher else -self.draws
        if not self.wins and not self.losses:
            # No difference seen in n cases, if the share of cases that differ were margin / span.
            return float(max(0.0, 1 - margin / self.span) ** self.n)
        return float((1 + np.sum(gains <= -margin)) / (1 + len(gains)))

    def p_equal(self) -> float:
        """Two-sided: the exact sign test (McNemar's for 0/1)."""
        return sign_test(self.wins, self.losses)


def compare(candidate: ArrayLike, baseline: ArrayLike, *, span: float = 1.0, seed: int = 0) -> Difference | None:
    """Paired (n,) values, NaN where a side has none; `span` is the largest difference one case can have.

    None without a case that both sides have.
    """
    ours, theirs = np.asarray(candidate, dtype=float), np.asarray(baseline, dtype=float)
    both = ~(np.isnan(ours) | np.isnan(theirs))
    ours, theirs = ours[both], theirs[both]
    if not len(ours):
        return None
    gaps = ours - theirs
    draws = gaps[_rows(len(gaps), seed)].mean(axis=1)
    low, high = _interval(draws) if gaps.any() else _unseen(len(gaps), span)
    means = float(ours.mean()), float(theirs.mean())
    wins, losses = int((gaps > 0).sum()), int((gaps < 0).sum())
    return Difference(len(gaps), *means, float(gaps.mean()), low, high, wins, losses, draws, span)


def compare_calibration(
    candidate: tuple[ArrayLike, ArrayLike], baseline: tuple[ArrayLike, ArrayLike], *, seed: int = 0
) -> Difference | None:
    """Expected calibration errors of (stated (n,), correct (n,)) on the same cases; NaN where none was stated."""
    sides = [np.column_stack([np.asarray(part, dtype=float) for part in side]) for side in (candidate, baseline)]
    told = [~np.isnan(side).any(axis=1) for side in sides]
    if not all(mask.any() for mask in told):
        return None
    rows = _rows(len(sides[0]), seed)
    drawn = [ece_of(side[rows]) for side in sides]
    draws = drawn[0] - drawn[1]
    draws = draws[~np.isnan(draws)]
    ours, theirs = (float(ece_of(side[None])[0]) for side in sides)
    # Each side's error is that of the cases for which it stated one: what the smaller number allows is what is known.
    n = int(min(mask.sum() for mask in told))
    same = bool(np.array_equal(sides[0], sides[1], equal_nan=True))
    low, high = _unseen(n, 1.0) if same else _interval(draws)
    return Difference(n, ours, theirs, ours - theirs, low, high, int(not same), 0, draws, 1.0)


def ece_of(cases: Array) -> Array:
    """(..., n, 2) of stated and correct -> (...): |sum of stated - correct| per bin, over the cases that stated one."""
    stated, correct = cases[..., 0], cases[..., 1]
    told = ~(np.isnan(stated) | np.isnan(correct))
    gap = np.where(told, stated - correct, 0.0)
    bins = np.where(told, np.minimum(np.nan_to_num(stated) * BINS, BINS - 1), -1).astype(int)
    apart = sum(np.abs((gap * (bins == b)).sum(axis=-1)) for b in range(BINS))
    count = told.sum(axis=-1)
    return np.asarray(np.where(count > 0, apart / np.maximum(count, 1), np.nan), dtype=float)


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """Adjusted p by name; never below the unadjusted, never above 1."""
    adjusted: dict[str, float] = {}
    largest = 0.0
    for rank, (name, value) in enumerate(sorted(p.items(), key=lambda pair: pair[1])):
        largest = max(largest, min(1.0, (len(p) - rank) * value))
        adjusted[name] = largest
    return adjusted


def mean_bounds(values: ArrayLike, *, seed: int = 0) -> tuple[float, float, float]:
    """(mean, low, high) of values (n,), resampled. ValueError without any."""
    data = np.asarray(values, dtype=float)
    if not len(data):
        raise ValueError("no values")
    return float(data.mean()), *_interval(data[_rows(len(data), seed)].mean(axis=1))


def share_bounds(values: ArrayLike) -> tuple[float, float, float]:
    """(share, low, high) of 0/1 outcomes (n,), exact (Clopper and Pearson 1934). ValueError without any, or for others.

    Resampling 12 cases of which one was hit says "at most 0.25" where the data allow 0.38.
    """
    data = np.asarray(values, dtype=float)
    if not len(data):
        raise ValueError("no values")
    if not np.isin(data, (0.0, 1.0)).all():
        raise ValueError("a share is of outcomes 0 and 1")
    n, hits = len(data), int(data.sum())
    low = 0.0 if hits == 0 else _where(lambda p: 1 - _at_most(hits - 1, n, p) > ALPHA / 2)
    high = 1.0 if hits == n else _where(lambda p: _at_most(hits, n, p) <= ALPHA / 2)
    return hits / n, low, high


def _at_most(hits: int, n: int, p: float) -> float:
    """P(X <= hits) for X ~ Binomial(n, p)."""
    return sum(comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(hits + 1))


def _where(holds: Callable[[float], bool]) -> float:
    """The smallest p in [0, 1] from which on `holds`, by halving."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _rows(n: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, n, size=(REPEATS, n))


def _interval(draws: Array) -> tuple[float, float]:
    low, high = np.quantile(draws, [ALPHA / 2, 1 - ALPHA / 2])
    return float(low), float(high)


def _unseen(n: int, span: float) -> tuple[float, float]:
    """Bounds of a mean difference that was 0 in each of n cases."""
    beyond = span * (1 - float((ALPHA / 2) ** (1 / n)))
    return -beyond, beyond
