"""Prediction-powered means: valid whatever the judge, narrower where it is good, never much wider where it is bad."""

from __future__ import annotations

from collections.abc import Callable
from math import isnan

import numpy as np
import pytest

from agents.agreement import classical_mean, ppi_mean

LABELLED, UNLABELLED, REPEATS = 40, 400, 400
TRUTH = 0.6
Judge = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def good(scores: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Close to the physicians, and 0.15 too generous."""
    return scores + 0.15 + rng.normal(0, 0.05, len(scores))


def noise(scores: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.random(len(scores))


def opposite(scores: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return 1 - scores + rng.normal(0, 0.05, len(scores))


def runs(judge: Judge, *, tuned: bool) -> tuple[float, float]:
    """(coverage of the truth, width relative to the physicians alone)."""
    rng = np.random.default_rng(1)
    covered, widths = 0, []
    for _ in range(REPEATS):
        scores = np.clip(rng.normal(TRUTH, 0.2, LABELLED + UNLABELLED), -1, 2)
        judged = judge(scores, rng)
        found = ppi_mean(scores[:LABELLED], judged[:LABELLED], judged[LABELLED:], tuned=tuned)
        covered += found.low <= TRUTH <= found.high
        widths.append(found.width / classical_mean(scores[:LABELLED]).width)
    return covered / REPEATS, float(np.mean(widths))


@pytest.mark.parametrize("tuned", [True, False])
def test_a_good_but_generous_judge_narrows_the_interval(tuned):
    coverage, width = runs(good, tuned=tuned)
    assert coverage >= 0.93
    assert width < 0.6


@pytest.mark.parametrize("judge", [noise, opposite])
def test_a_bad_judge_is_never_believed(judge):
    coverage, width = runs(judge, tuned=True)
    assert coverage >= 0.93
    assert width < 1.05


@pytest.mark.parametrize("judge", [noise, opposite])
def test_as_first_published_a_bad_judge_costs_width_and_not_validity(judge):
    coverage, width = runs(judge, tuned=False)
    assert coverage >= 0.93
    assert width > 1.2


def test_the_judges_own_mean_would_have_been_wrong():
    """What the correction is for: the generous judge's own interval misses the truth."""
    rng = np.random.default_rng(2)
    scores = rng.normal(TRUTH, 0.2, 440)
    judged = good(scores, rng)
    alone = classical_mean(judged)
    assert not alone.low <= TRUTH <= alone.high
    corrected = ppi_mean(scores[:LABELLED], judged[:LABELLED], judged[LABELLED:])
    assert corrected.low <= TRUTH <= corrected.high
    assert corrected.trust > 0.7


def test_too_few_physicians_give_no_number():
    assert isnan(ppi_mean([0.5, 0.6], [0.5, 0.6], [0.4] * 50).value)
    assert classical_mean([0.5, 0.6]).labelled == 2


def test_without_further_items_the_physicians_speak_alone():
    scores = [0.1, 0.5, 0.9, 0.4, 0.6]
    assert ppi_mean(scores, scores, []) == classical_mean(scores)


def test_an_interval_stays_within_what_is_possible():
    scores = [0.9, 1.0, 1.0, 0.2, 1.0]
    assert classical_mean(scores).high > 1
    assert classical_mean(scores, bounds=(0, 1)).high == 1


def test_students_interval_is_the_known_one():
    """t(4) = 2.776; five scores 1 to 5 have a standard error of 0.7071."""
    found = classical_mean([1, 2, 3, 4, 5])
    assert (found.low, found.high) == pytest.approx((3 - 2.776 * 0.70711, 3 + 2.776 * 0.70711), abs=5e-3)


def test_scores_of_different_units_are_refused():
    with pytest.raises(ValueError, match="same units"):
        ppi_mean([0.1], [0.1, 0.2], [0.3])
    with pytest.raises(ValueError, match="numbers"):
        classical_mean([0.1, np.nan])
