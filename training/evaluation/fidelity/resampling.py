"""Intervals of statistics of draws: whole patients are resampled, since results of one patient hang together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.evaluation.statistics import LEVEL, bootstrap_ci, share_ci

Array = NDArray[np.float64]
Interval = tuple[float, float] | None
REPEATS = 400


def ratio_ci(part: ArrayLike, whole: ArrayLike, cases: Sequence[str], *, seed: int = 0) -> Interval:
    """95 % interval of sum(part) / sum(whole), both (N,), by resampling cases; None without any."""
    names = {case: n for n, case in enumerate(dict.fromkeys(cases))}
    table = np.zeros((len(names), 2))
    np.add.at(table, [names[case] for case in cases], np.stack([np.asarray(part, float), np.asarray(whole, float)], 1))

    def ratio(sample: Array) -> Array:
        top, bottom = np.moveaxis(sample.sum(axis=-2), -1, 0)
        return np.asarray(top / np.where(bottom > 0, bottom, np.nan))[..., None]

    return bootstrap_ci(table, statistic=ratio, seed=seed) if table[:, 1].sum() > 0 else None


def weights(cases: int, *, repeats: int = REPEATS, seed: int = 0) -> Array:
    """How often each case is in each resample, (repeats, cases)."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(cases, np.full(cases, 1 / cases), size=repeats).astype(float)


def weighted_ci(statistic: Callable[[Array], Array], cases: int, *, repeats: int = REPEATS, seed: int = 0) -> Interval:
    """95 % interval of a statistic that maps weights (repeats, cases) to (repeats,); NaN resamples are left out.

    Distances grow in resamples, which repeat patients: the interval is moved by the difference between the statistic
    and the resamples' median, and stays at or above 0 where all resamples do.
    """
    if not cases:
        return None
    found = statistic(weights(cases, repeats=repeats, seed=seed))
    found = found[np.isfinite(found)]
    whole = float(statistic(np.ones((1, cases)))[0])
    if not len(found) or not np.isfinite(whole):
        return None
    low, middle, high = np.quantile(found, [(1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2])
    moved = float(low - middle + whole), float(high - middle + whole)
    return (max(moved[0], 0.0), moved[1]) if found.min() >= 0 else moved


def absolute(interval: Interval) -> Interval:
    """The interval of |x| from that of x: an absolute value resampled by itself would be biased away from 0."""
    if interval is None:
        return None
    low, high = sorted(abs(end) for end in interval)
    return (0.0 if interval[0] <= 0 <= interval[1] else low), high


def cases_share_ci(good: Sequence[float], cases: Sequence[str], *, seed: int = 0) -> Interval:
    """Interval of a share of results (N,), 0 or 1 each, by resampling cases.

    Where all agree, the exact interval of as many cases: results of one patient are not independent.
    """
    if not len(good):
        return None
    if min(good) == max(good):
        return share_ci(np.full(len(set(cases)), good[0]), seed=seed)
    return ratio_ci(good, np.ones(len(good)), cases, seed=seed)


def index(cases: Sequence[str]) -> tuple[NDArray[np.int_], int]:
    """Each row's case as a number, (N,), and how many cases there are."""
    names = {case: n for n, case in enumerate(dict.fromkeys(cases))}
    return np.array([names[case] for case in cases], dtype=int), len(names)
