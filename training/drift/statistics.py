"""Whether two windows differ by more than chance and by more than anybody would mind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, lgamma, log, sqrt
from statistics import NormalDist, fmean, variance

CHANCE = 0.001
"""Looked at daily in several measures: one false alarm in a thousand looks at what did not change."""
PSI_ALARM = 0.25
"""From this population stability index a shift is commonly called large."""
FEWEST = 30
"""With fewer in either window nothing is said."""
FLOOR = 0.5
"""Counted for a category that one window has not: its logarithm would be infinite."""


def psi(now: Mapping[str, int], before: Mapping[str, int]) -> float:
    """Population stability index, 0 for equal shares; raises ValueError for an empty window."""
    if not sum(now.values()) or not sum(before.values()):
        raise ValueError("both windows must hold something")
    names = {name for name in (*now, *before) if now.get(name, 0) + before.get(name, 0)}
    shares = [_shares(counts, names) for counts in (now, before)]
    return sum((shares[0][name] - shares[1][name]) * log(shares[0][name] / shares[1][name]) for name in names)


def psi_by_chance(now: Mapping[str, int], before: Mapping[str, int]) -> float:
    """What equal populations stay under but for CHANCE: (1/n + 1/m) times a chi-squared quantile."""
    kinds = len({name for name in (*now, *before) if now.get(name, 0) + before.get(name, 0)})
    if kinds < 2:
        return 0.0
    n, m = sum(now.values()), sum(before.values())
    return (1 / n + 1 / m) * chi_squared(1 - CHANCE, kinds - 1)


def chi_squared(share: float, freedom: int) -> float:
    """The quantile below which `share` lies, by Wilson and Hilferty's cube: within 5 % from 0.9 upwards."""
    spread = 2 / (9 * freedom)
    return float(freedom * (1 - spread + NormalDist().inv_cdf(share) * sqrt(spread)) ** 3)


def proportions_differ(now: tuple[int, int], before: tuple[int, int]) -> float:
    """Two-sided p of (hits, n) against (hits, n): Fisher's exact test, tables no likelier than this one."""
    (hits, n), (others, m) = now, before
    total = hits + others
    possible = range(max(0, total - m), min(n, total) + 1)
    chances = {k: exp(_ways(n, k) + _ways(m, total - k) - _ways(n + m, total)) for k in possible}
    return min(1.0, sum(chance for chance in chances.values() if chance <= chances[hits] * (1 + 1e-7)))


def means_differ(now: Sequence[float], before: Sequence[float]) -> float:
    """Two-sided p of Welch's test, Student's t turned into a normal deviate; 1 or 0 where nothing varies."""
    spread = variance(now) / len(now) + variance(before) / len(before)
    if spread == 0:
        return 1.0 if fmean(now) == fmean(before) else 0.0
    t = abs(fmean(now) - fmean(before)) / sqrt(spread)
    parts = [(variance(v) / len(v)) ** 2 / (len(v) - 1) for v in (now, before)]
    freedom = spread**2 / sum(parts)
    deviate = (8 * freedom + 1) / (8 * freedom + 3) * sqrt(freedom * log(1 + t * t / freedom))
    return 2 * NormalDist().cdf(-deviate)


def _ways(n: int, k: int) -> float:
    """The logarithm of n over k."""
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def _shares(counts: Mapping[str, int], names: set[str]) -> dict[str, float]:
    filled = {name: counts.get(name, 0) or FLOOR for name in names}
    total = sum(filled.values())
    return {name: value / total for name, value in filled.items()}
