"""Numeric fidelity: normalised error, normalised variance and 1-Wasserstein of each sub-test (system.md 1.5).

Weights let resamples of patients reuse one computation: values (N,), weights (..., N) -> (...).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from agents.world.plausibility.reading import Quantity, read
from training.evaluation.fidelity.draws import Drawn
from training.evaluation.fidelity.resampling import Interval, absolute, weighted_ci

Array = NDArray[np.float64]
FEWEST_VARIANCE = 3
FEWEST_WASSERSTEIN = 30


def normalised_variance(values: ArrayLike, weight: ArrayLike | None = None) -> Array:
    """Variance (ddof 1) over the square of the mean; NaN for fewer than 3 values or a mean of 0."""
    x, w = _weighted(values, weight)
    n = w.sum(axis=-1)
    mean = (w * x).sum(axis=-1) / np.maximum(n, 1)
    squares = (w * (x - mean[..., None]) ** 2).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = squares / (n - 1) / mean**2
    return np.where((n >= FEWEST_VARIANCE) & (mean != 0), found, np.nan)


def wasserstein(
    truth: ArrayLike,
    drawn: ArrayLike,
    *,
    truth_weight: ArrayLike | None = None,
    drawn_weight: ArrayLike | None = None,
    fewest: int = FEWEST_WASSERSTEIN,
) -> Array:
    """1-Wasserstein distance after standardising both by the truth's mean and (population) standard deviation.

    NaN with fewer than `fewest` values on a side, or for a constant truth.
    """
    x, w = _weighted(truth, truth_weight)
    y, v = _weighted(drawn, drawn_weight)
    shape = np.broadcast_shapes(w.shape[:-1], v.shape[:-1])
    if len(x) < fewest or len(y) < fewest:
        return np.full(shape, np.nan)
    n, m = w.sum(axis=-1), v.sum(axis=-1)
    mean = (w * x).sum(axis=-1) / np.maximum(n, 1)
    sd = np.sqrt((w * (x - mean[..., None]) ** 2).sum(axis=-1) / np.maximum(n, 1))
    both = np.concatenate([x, y])
    order = np.argsort(both, kind="stable")
    signed = np.concatenate(
        [
            np.broadcast_to(w / np.maximum(n, 1)[..., None], (*shape, len(x))),
            -np.broadcast_to(v / np.maximum(m, 1)[..., None], (*shape, len(y))),
        ],
        axis=-1,
    )[..., order]
    apart = np.abs(np.cumsum(signed, axis=-1)[..., :-1]) @ np.diff(both[order])
    # The mean cancels in a distance; both sides are divided by one standard deviation.
    return np.where((sd > 0) & (n > 0) & (m > 0), apart / np.where(sd > 0, sd, 1), np.nan)


def normalised_error(truth: ArrayLike, drawn: ArrayLike, weight: ArrayLike | None = None) -> Array:
    """Mean absolute error over the mean absolute true value of the same pairs; NaN where that is 0."""
    x, w = _weighted(truth, weight)
    off = np.abs(np.asarray(drawn, dtype=float) - x)
    size = (w * np.abs(x)).sum(axis=-1)
    return np.where(size > 0, (w * off).sum(axis=-1) / np.where(size > 0, size, 1), np.nan)


@dataclass(frozen=True)
class SubTest:
    """All true values of a sub-test and all that were drawn, each with the number of its patient."""

    name: str
    truth: Array
    truth_case: NDArray[np.int_]
    drawn: Array
    drawn_case: NDArray[np.int_]
    pairs: Array
    """(N, 2): the true value and a draw of it."""
    first: NDArray[np.int_]
    """Which of `drawn` are the first draws of a result: as many as the truth has."""


@dataclass(frozen=True)
class Numbers:
    """The numeric sub-tests of a set of rows.

    `conflicts`: sub-tests left out because the truth gives them in several units; `strange`: draws of the others that
    were in another unit than the truth, or named no value, and count nowhere.
    """

    tests: tuple[SubTest, ...]
    cases: int
    conflicts: tuple[str, ...]
    strange: int


def collect(rows: Sequence[Drawn]) -> Numbers:
    """The numbers of all rows by sub-test; draws of a sub-test that the true result does not have are ignored."""
    true: dict[str, list[tuple[int, float]]] = defaultdict(list)
    said: dict[str, list[tuple[int, float, float, int]]] = defaultdict(list)
    cases = {case: n for n, case in enumerate(dict.fromkeys(row.case for row in rows))}
    units = _units(rows)
    strange = 0
    for row in rows:
        for key, told in read(row.exam, row.truth).by_key.items():
            if len(units[key]) > 1:
                continue
            true[key].append((cases[row.case], told.value))
            for number, text in enumerate(row.draws):
                mine = read(row.exam, text).by_key.get(key)
                if mine is None or _unit(mine) not in units[key]:
                    strange += 1
                else:
                    said[key].append((cases[row.case], told.value, mine.value, number))
    tests = tuple(_sub_test(key, true[key], said[key]) for key in sorted(true))
    conflicts = tuple(sorted(key for key, known in units.items() if len(known) > 1))
    return Numbers(tests, len(cases), conflicts, strange)


@dataclass(frozen=True, slots=True)
class Averaged:
    """Mean over the sub-tests that allow it, its interval over patients, how many those are."""

    value: float | None
    interval: Interval
    tests: int


def error(numbers: Numbers, *, seed: int = 0) -> Averaged:
    """Normalised absolute error of draws against the truth of the same patient, averaged over sub-tests."""

    def batch(weight: Array) -> list[Array]:
        return [
            normalised_error(test.pairs[:, 0], test.pairs[:, 1], weight[..., test.drawn_case])
            for test in numbers.tests
            if len(test.pairs)
        ]

    return _averaged(batch, numbers.cases, seed)


def variance(numbers: Numbers, *, of_truth: bool = False, seed: int = 0) -> Averaged:
    """Normalised variance of the draws (or of the truth), averaged over sub-tests that both sides allow."""

    def batch(weight: Array) -> list[Array]:
        return [_variances(test, weight)[int(of_truth)] for test in numbers.tests]

    return _averaged(batch, numbers.cases, seed)


def variance_distance(numbers: Numbers, *, seed: int = 0) -> Averaged:
    """|normalised variance of the draws - that of the truth|, of the averages over sub-tests: near 0 is faithful.

    A larger variance is not better (system.md 1.6): closest to the real one is.
    """
    tests = [test for test in numbers.tests if np.isfinite(_variances(test, np.ones(numbers.cases))).all()]
    if not tests:
        return Averaged(None, None, 0)

    def statistic(weight: Array) -> Array:
        both = np.array([_variances(test, weight) for test in tests])  # (tests, 2, ...)
        drawn, true = _mean(both)
        return np.asarray(drawn - true)

    value = abs(float(statistic(np.ones((1, numbers.cases)))[0]))
    return Averaged(value, absolute(weighted_ci(statistic, numbers.cases, seed=seed)), len(tests))


def distance(numbers: Numbers, *, fewest: int = FEWEST_WASSERSTEIN, seed: int = 0) -> Averaged:
    """1-Wasserstein in standard deviations of the truth, averaged over sub-tests with enough values on both sides."""

    def batch(weight: Array) -> list[Array]:
        return [
            wasserstein(
                test.truth,
                test.drawn,
                truth_weight=weight[..., test.truth_case],
                drawn_weight=weight[..., test.drawn_case],
                fewest=fewest,
            )
            for test in numbers.tests
            if len(test.truth) >= fewest and len(test.drawn) >= fewest
        ]

    return _averaged(batch, numbers.cases, seed)


def _variances(test: SubTest, weight: Array) -> tuple[Array, Array]:
    """Of one draw a result and of the truth, NaN for both where either allows none."""
    drawn = normalised_variance(test.drawn[test.first], weight[..., test.drawn_case[test.first]])
    true = normalised_variance(test.truth, weight[..., test.truth_case])
    both = np.isfinite(drawn) & np.isfinite(true)
    return np.where(both, drawn, np.nan), np.where(both, true, np.nan)


def _averaged(batch: Callable[[Array], list[Array]], cases: int, seed: int) -> Averaged:
    whole = [float(value[0]) for value in batch(np.ones((1, cases)))] if cases else []
    usable = [n for n, value in enumerate(whole) if np.isfinite(value)]
    if not usable:
        return Averaged(None, None, 0)

    def statistic(weight: Array) -> Array:
        return _mean(np.array(batch(weight))[usable])  # from (tests, repeats)

    return Averaged(float(np.mean([whole[n] for n in usable])), weighted_ci(statistic, cases, seed=seed), len(usable))


def _mean(values: Array) -> Array:
    """Mean over the first axis of what is finite, NaN where nothing is."""
    some = np.isfinite(values).sum(axis=0)
    return np.where(some > 0, np.nansum(values, axis=0) / np.maximum(some, 1), np.nan)


def _units(rows: Sequence[Drawn]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        for key, told in read(row.exam, row.truth).by_key.items():
            found[key].add(_unit(told))
    return found


def _unit(quantity: Quantity) -> str:
    return quantity.unit.strip().lower()


def _sub_test(name: str, true: list[tuple[int, float]], said: list[tuple[int, float, float, int]]) -> SubTest:
    truth, drawn = np.array(true, dtype=float).reshape(-1, 2), np.array(said, dtype=float).reshape(-1, 4)
    case, first = drawn[:, 0].astype(int), np.flatnonzero(drawn[:, 3] == 0)
    return SubTest(name, truth[:, 1], truth[:, 0].astype(int), drawn[:, 2], case, drawn[:, 1:3], first)


def _weighted(values: ArrayLike, weight: ArrayLike | None) -> tuple[Array, Array]:
    x = np.asarray(values, dtype=float)
    return x, np.ones_like(x) if weight is None else np.asarray(weight, dtype=float)
