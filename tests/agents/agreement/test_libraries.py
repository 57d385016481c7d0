"""Alpha and kappa equal those of the libraries krippendorff and scikit-learn, missing data included."""

from __future__ import annotations

import krippendorff
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from agents.agreement import LEVELS, alpha, pairs_kappa_interval, raw_agreement, weighted_kappa

NAN = np.nan
TEXTBOOK = [
    [1, 1, NAN, 1], [2, 2, 3, 2], [3, 3, 3, 3], [3, 3, 3, 3], [2, 2, 2, 2], [1, 2, 3, 4],
    [4, 4, 4, 4], [1, 1, 2, 1], [2, 2, 2, 2], [NAN, 5, 5, 5], [NAN, NAN, 1, 1], [NAN, NAN, 3, NAN],
]  # fmt: skip


def drawn(seed: int, *, units: int, raters: int, values: int, missing: float, agree: float) -> np.ndarray:
    """Ratings of one truth per unit, each rater right with probability `agree` and absent with `missing`."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, values, size=(units, 1))
    guess = rng.integers(0, values, size=(units, raters))
    said = np.where(rng.random((units, raters)) < agree, truth, guess).astype(float)
    said[rng.random((units, raters)) < missing] = NAN
    return said


FIXTURES = {
    "textbook": np.array(TEXTBOOK, dtype=float),
    "two raters, whole": drawn(1, units=40, raters=2, values=2, missing=0.0, agree=0.8),
    "three raters, a third missing": drawn(2, units=60, raters=3, values=2, missing=0.33, agree=0.7),
    "five raters, four values": drawn(3, units=30, raters=5, values=4, missing=0.4, agree=0.5),
    "by chance": drawn(4, units=80, raters=3, values=3, missing=0.2, agree=0.0),
    "worse than chance": np.array([[0, 1], [1, 0], [0, 1], [1, 0], [1, 1]], dtype=float),
    "uneven distances": np.array([[0, 0], [0, 7], [7, 7], [2, 2.5], [2.5, 2.5], [NAN, 2]]),
}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", FIXTURES)
def test_alpha_equals_the_library(name, level):
    table = FIXTURES[name]
    expected = krippendorff.alpha(reliability_data=table.T, level_of_measurement=level)
    assert alpha(table, level=level) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("weights", [None, "linear", "quadratic"])
@pytest.mark.parametrize("seed", range(6))
def test_kappa_equals_the_library(seed, weights):
    said = drawn(seed, units=50, raters=2, values=2 + seed % 3, missing=0.15, agree=0.6)
    both = said[~np.isnan(said).any(axis=1)].astype(int)
    assert len(both) < len(said), "the fixture has missing data"
    expected = cohen_kappa_score(both[:, 0], both[:, 1], weights=weights)
    assert weighted_kappa(said[:, 0], said[:, 1], weights=weights) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("weights", ["linear", "quadratic"])
def test_weights_count_the_steps_of_all_categories_named(weights):
    a, b = [0, 3, 3, 0, 1], [0, 3, 0, 1, 1]
    expected = cohen_kappa_score(a, b, weights=weights, labels=[0, 1, 2, 3])
    assert weighted_kappa(a, b, weights=weights, categories=[0, 1, 2, 3]) == pytest.approx(expected, abs=1e-12)
    assert weighted_kappa(a, b, weights=weights) != pytest.approx(expected, abs=1e-3)


def test_raw_agreement_is_the_share_of_pairs():
    assert raw_agreement([[1, 1, NAN], [1, 0, 0], [NAN, 1, NAN]]) == pytest.approx((1 + 1 / 3) / 2)


@pytest.mark.parametrize("weights", [None, "linear", "quadratic"])
def test_kappa_of_all_pairs_equals_the_librarys_over_the_pairs(weights):
    """Every pair in both orders; a unit of m raters weighs m."""
    said = FIXTURES["five raters, four values"]
    first, second, weight = [], [], []
    for row in said:
        given = row[~np.isnan(row)]
        for i, one in enumerate(given):
            for j, other in enumerate(given):
                if i != j:
                    first.append(int(one))
                    second.append(int(other))
                    weight.append(1 / (len(given) - 1))
    expected = cohen_kappa_score(first, second, weights=weights, sample_weight=weight)
    assert pairs_kappa_interval(said, weights=weights).value == pytest.approx(expected, abs=1e-12)
