"""Whether stated probabilities mean what they say, and what deferring buys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """One bar of a reliability diagram: cases with a stated probability in [low, high), the last one closed."""

    low: float
    high: float
    n: int
    stated: float
    correct: float


@dataclass(frozen=True, slots=True)
class Point:
    """Answering only the surest: share of all cases answered, and share of those that is wrong."""

    coverage: float
    risk: float
    threshold: float


def reliability(stated: ArrayLike, correct: ArrayLike, *, bins: int = BINS) -> list[Bin]:
    """Bins of equal width that hold cases; raises ValueError for probabilities outside 0..1."""
    p, y = _pair(stated, correct)
    index = np.minimum((p * bins).astype(int), bins - 1)
    return [
        Bin(b / bins, (b + 1) / bins, int(n), float(p[index == b].mean()), float(y[index == b].mean()))
        for b, n in enumerate(np.bincount(index, minlength=bins))
        if n
    ]


def ece(stated: ArrayLike, correct: ArrayLike, *, bins: int = BINS) -> float | None:
    """Expected calibration error, 0..1; None without cases."""
    rows = reliability(stated, correct, bins=bins)
    total = sum(row.n for row in rows)
    return sum(row.n * abs(row.stated - row.correct) for row in rows) / total if total else None


def brier(stated: ArrayLike, correct: ArrayLike) -> float | None:
    """Mean squared error of the stated probability of the named diagnosis, 0..1; None without cases."""
    p, y = _pair(stated, correct)
    return float(np.mean((p - y) ** 2)) if len(p) else None


def risk_coverage(stated: Sequence[float | None], correct: Sequence[bool | None]) -> list[Point]:
    """From the surest case to all that were answered; a deferral (correct None) is never covered.

    An answer without a stated probability counts as the least sure. Cases of equal probability enter together,
    since no threshold can tell them apart.
    """
    total = len(correct)
    answered = [(-1.0 if p is None else p, y) for p, y in zip(stated, correct, strict=True) if y is not None]
    points: list[Point] = []
    for threshold in sorted({p for p, _ in answered}, reverse=True):
        covered = [y for p, y in answered if p >= threshold]
        points.append(Point(len(covered) / total, 1 - sum(covered) / len(covered), max(threshold, 0.0)))
    return points


def area_under_risk(points: Sequence[Point]) -> float | None:
    """Mean risk over the covered range (lower is better), None without points."""
    if not points:
        return None
    coverage = np.array([0.0, *(point.coverage for point in points)])
    risk = np.array([point.risk for point in points])
    return float(np.sum(np.diff(coverage) * risk) / coverage[-1])


def _pair(stated: ArrayLike, correct: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    p, y = np.asarray(stated, dtype=float), np.asarray(correct, dtype=float)
    if p.shape != y.shape:
        raise ValueError("one probability per outcome is needed")
    if len(p) and not ((p >= 0) & (p <= 1)).all():
        raise ValueError("probabilities are from 0 to 1")
    return p, y
