"""Confidence intervals, paired comparisons, and tables of subgroups that hide small cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
REPEATS = 2000
LEVEL = 0.95
SMALLEST_CELL = 10
_CHUNK = 2_000_000


def mean(sample: Array) -> Array:
    """Mean over the cases, axis -2 of (..., n, k) -> (..., k)."""
    return np.asarray(sample.mean(axis=-2))


def bootstrap_ci(
    values: ArrayLike,
    *,
    statistic: Callable[[Array], Array] = mean,
    repeats: int = REPEATS,
    level: float = LEVEL,
    seed: int = 0,
) -> tuple[float, float] | None:
    """Percentile interval of a statistic of cases (n,) or (n, k); None without cases.

    `statistic` maps (..., n, k) to (..., 1) or (..., k) with k = 1; cases are resampled whole.
    """
    data = _cases(values)
    if not len(data):
        return None
    drawn = _resampled(data, statistic, repeats, seed)
    # A resample without a value (a ratio to nothing) says nothing about the others.
    low, high = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def share_ci(values: ArrayLike, *, seed: int = 0) -> tuple[float, float] | None:
    """Interval of a share of 0/1 outcomes (n,): the bootstrap's, and where all are equal the exact binomial one.

    Resampling n times the same outcome would give an interval without width: 0 of 40 does not prove 0.
    """
    data = np.asarray(values, dtype=float)
    if not len(data) or data.min() != data.max():
        return bootstrap_ci(data, seed=seed)
    # Clopper and Pearson's bound for 0 or n of n.
    beyond = ((1 - LEVEL) / 2) ** (1 / len(data))
    return (beyond, 1.0) if data[0] else (0.0, 1 - beyond)


def ratio_ci(values: ArrayLike, baseline: ArrayLike, *, seed: int = 0) -> tuple[float, float] | None:
    """Interval of mean(values) / mean(baseline) on the same cases (n,), resampled in pairs; None where that is 0/0.

    Where all values are equal, the exact interval of their share over the baseline's share as it stands.
    """
    data = np.column_stack([np.asarray(values, dtype=float), np.asarray(baseline, dtype=float)])
    if not len(data) or not data[:, 1].any():
        return None
    if data[:, 0].min() == data[:, 0].max():
        low, high = share_ci(data[:, 0]) or (0.0, 0.0)
        return low / float(data[:, 1].mean()), high / float(data[:, 1].mean())
    return bootstrap_ci(data, statistic=_ratio, seed=seed)


def _ratio(sample: Array) -> Array:
    upper, lower = np.moveaxis(sample.mean(axis=-2), -1, 0)
    return np.asarray(np.where(lower > 0, upper / np.where(lower > 0, lower, 1), np.nan))[..., None]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Candidate minus baseline on the same n cases; `p` is two-sided and exact (sign test; McNemar for 0/1)."""

    n: int
    difference: float
    low: float
    high: float
    wins: int
    losses: int
    ties: int
    p: float

    def as_dict(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in self.__slots__}


def paired(
    candidate: ArrayLike, baseline: ArrayLike, *, repeats: int = REPEATS, level: float = LEVEL, seed: int = 0
) -> Comparison:
    """Paired bootstrap of the mean difference and the exact sign test; raises ValueError for unequal or no cases."""
    a, b = np.asarray(candidate, dtype=float), np.asarray(baseline, dtype=float)
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise ValueError("a paired comparison needs the same cases on both sides, one at least")
    difference = a - b
    interval = bootstrap_ci(difference, repeats=repeats, level=level, seed=seed)
    assert interval is not None
    wins, losses = int((difference > 0).sum()), int((difference < 0).sum())
    return Comparison(
        len(a), float(difference.mean()), *interval, wins, losses, len(a) - wins - losses, sign_test(wins, losses)
    )


def sign_test(wins: int, losses: int) -> float:
    """Exact two-sided p of wins against losses; for two 0/1 outcomes this is McNemar's exact test."""
    n = wins + losses
    tail = sum(comb(n, k) for k in range(min(wins, losses) + 1)) / 2**n
    return min(1.0, 2 * tail)


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of a subgroup table; `value` and the interval are None where the cell is hidden."""

    group: str
    n: int | None
    value: float | None
    low: float | None
    high: float | None
    hidden: bool = False


def subgroup_table(
    values: Sequence[float], groups: Sequence[str], *, smallest: int = SMALLEST_CELL, seed: int = 0
) -> list[Cell]:
    """Mean with interval per group, by name; groups of fewer than `smallest` cases are hidden.

    With one hidden group alone the total would give it away, so the next smallest is hidden too.
    """
    members: dict[str, list[float]] = {}
    for group, value in zip(groups, values, strict=True):
        members.setdefault(group, []).append(value)
    hidden = {group for group, inside in members.items() if len(inside) < smallest}
    if len(hidden) == 1 and len(members) > 1:
        hidden.add(min(members.keys() - hidden, key=lambda group: (len(members[group]), group)))
    return [
        Cell(group, None, None, None, None, hidden=True) if group in hidden else _cell(group, members[group], seed)
        for group in sorted(members)
    ]


def subgroup_tables(
    values: Sequence[float], subgroups: Sequence[Mapping[str, str]], *, smallest: int = SMALLEST_CELL
) -> dict[str, list[Cell]]:
    """One table per subgroup name; a case that does not name it stands under "unknown"."""
    names = sorted({name for row in subgroups for name in row})
    return {
        name: subgroup_table(values, [row.get(name, "unknown") for row in subgroups], smallest=smallest)
        for name in names
    }


def _cell(group: str, values: Sequence[float], seed: int) -> Cell:
    interval = share_ci(values, seed=seed)
    assert interval is not None
    return Cell(group, len(values), float(np.mean(values)), *interval)


def _cases(values: ArrayLike) -> Array:
    data = np.asarray(values, dtype=float)
    return data[:, None] if data.ndim == 1 else data


def _resampled(data: Array, statistic: Callable[[Array], Array], repeats: int, seed: int) -> Array:
    """The statistic of `repeats` resamples, (repeats,), in chunks that stay small in memory."""
    rng = np.random.default_rng(seed)
    step = max(1, _CHUNK // data.size)
    found = []
    for start in range(0, repeats, step):
        rows = rng.integers(0, len(data), size=(min(step, repeats - start), len(data)))
        found.append(np.ravel(statistic(data[rows])))
    return np.concatenate(found)
