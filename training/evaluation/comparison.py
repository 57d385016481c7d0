"""Two evaluations on the same cases: paired differences with intervals, and the cases on which they part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.evaluation.end_to_end import f1_of_means
from training.evaluation.statistics import Comparison, bootstrap_ci, paired

Array = NDArray[np.float64]
Row = Mapping[str, Any]
"""What a protocol measured on one case, by name."""

ACCURACY = "accuracy"
F1_OF_MEANS = "f1_of_means"
MEASURES: Mapping[str, tuple[str, ...]] = {
    "end-to-end": (ACCURACY, "f1", "precision", "recall", "turns", "examinations", "cost"),
    "single-turn": (ACCURACY, "hits"),
    "rubric": ("rubric", "coverage"),
}
"""Per protocol, what each case has a number for; the first one is the measure that is tested."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Candidate minus baseline in one measure, over the cases that both have; `p` of the tested measure only."""

    name: str
    candidate: float
    baseline: float
    difference: float
    low: float
    high: float
    n: int
    wins: int | None = None
    losses: int | None = None
    p: float | None = None


def differences(protocol: str, candidate: Sequence[Row | None], baseline: Sequence[Row | None]) -> list[Difference]:
    """One per measure, of the same cases in the same order; None stands for a case without an outcome.

    A case counts where both sides have a number. The exact test (McNemar's for 0/1, else the sign test) is of the
    protocol's first measure alone: with a test of each, one of eight would be "significant" by chance too often.
    """
    names = MEASURES[protocol]
    found = [_difference(name, candidate, baseline, tested=name == names[0]) for name in names]
    if protocol == "end-to-end":
        found.insert(2, _f1_of_means(candidate, baseline))
    return [row for row in found if row]


def _difference(
    name: str, candidate: Sequence[Row | None], baseline: Sequence[Row | None], *, tested: bool
) -> Difference | None:
    both = _both(candidate, baseline, (name,))
    if not len(both):
        return None
    ours, theirs = both[:, 0], both[:, 1]
    got: Comparison = paired(ours, theirs)
    return Difference(
        name,
        float(ours.mean()),
        float(theirs.mean()),
        got.difference,
        got.low,
        got.high,
        got.n,
        got.wins,
        got.losses,
        got.p if tested else None,
    )


def _f1_of_means(candidate: Sequence[Row | None], baseline: Sequence[Row | None]) -> Difference | None:
    """F1 of the means has no number per case: whole cases are resampled, as everywhere."""
    both = _both(candidate, baseline, ("precision", "recall"))
    if not len(both):
        return None
    interval = bootstrap_ci(both, statistic=lambda cases: f1_of_means(cases[..., :2]) - f1_of_means(cases[..., 2:]))
    assert interval is not None
    ours, theirs = (float(f1_of_means(part)[0]) for part in (both[:, :2], both[:, 2:]))
    return Difference(F1_OF_MEANS, ours, theirs, ours - theirs, *interval, len(both))


def _both(candidate: Sequence[Row | None], baseline: Sequence[Row | None], names: Sequence[str]) -> Array:
    """(n, 2k): the candidate's k numbers, then the baseline's, of the cases where both have all of them."""
    rows = []
    for ours, theirs in zip(candidate, baseline, strict=True):
        values = [side.get(name) if side else None for side in (ours, theirs) for name in names]
        if None not in values:
            rows.append(values)
    return np.array(rows, dtype=float).reshape(len(rows), 2 * len(names))
