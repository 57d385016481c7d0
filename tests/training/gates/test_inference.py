"""What paired differences allow to say."""

import numpy as np
import pytest

from training.gates.inference import ALPHA, compare, compare_calibration, ece_of, holm, mean_bounds, share_bounds

NAN = float("nan")


def side(n=200, p=0.5, seed=0):
    return (np.random.default_rng(seed).random(n) < p).astype(float)


def test_a_clear_gain_leaves_zero_out():
    found = compare(side(p=0.8), side(p=0.4, seed=1))
    assert found.low > 0.2
    assert found.p_equal() < 0.001
    assert found.difference == pytest.approx(found.candidate - found.baseline)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    inside = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        found = compare(rng.random(60) < 0.6, rng.random(60) < 0.5)
        inside += found.low <= 0.1 <= found.high
    assert 180 <= inside <= 199


def test_cases_without_a_number_on_one_side_are_left_out():
    found = compare([1.0, NAN, 0.0, 1.0], [0.0, 1.0, NAN, 1.0])
    assert (found.n, found.wins, found.losses) == (2, 1, 0)
    assert compare([NAN], [1.0]) is None


def test_the_same_outcomes_everywhere_prove_no_equality():
    same = side()
    found = compare(same, same)
    assert (found.low, found.high) == (pytest.approx(-0.0183, abs=1e-3), pytest.approx(0.0183, abs=1e-3))
    assert found.p_worse(0.05, higher=True) < 0.001
    few = compare(same[:10], same[:10])
    assert few.p_worse(0.05, higher=True) > ALPHA


def test_worse_by_the_margin_is_told_from_no_worse():
    better, worse = compare(side(p=0.7), side(p=0.5, seed=1)), compare(side(p=0.4), side(p=0.7, seed=1))
    assert better.p_worse(0.05, higher=True) < 0.001 < 0.9 < worse.p_worse(0.05, higher=True)
    # Where less is better the same numbers say the opposite.
    assert better.p_worse(0.05, higher=False) > 0.9
    assert worse.p_worse(0.05, higher=False) < 0.001


def test_holm_never_helps_and_keeps_the_order():
    raw = {"a": 0.01, "b": 0.02, "c": 0.5}
    adjusted = holm(raw)
    assert adjusted == {"a": pytest.approx(0.03), "b": pytest.approx(0.04), "c": 0.5}
    assert holm({}) == {}


def test_false_claims_among_many_tests_are_rare():
    """Twelve measures, each worse by exactly its margin: all "no worse" claims are false."""
    claims = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        p = {}
        for name in range(12):
            base = rng.random(200) < 0.5
            worse = base & (rng.random(200) >= 0.2)
            p[str(name)] = compare(worse, base).p_worse(0.1, higher=True)
        claims += any(value <= ALPHA / 2 for value in holm(p).values())
    assert claims <= 8


def test_calibration_is_compared_as_a_whole():
    rng = np.random.default_rng(0)
    stated = rng.random(400)
    honest = (rng.random(400) < stated).astype(float)
    boasting = np.full(400, 0.95)
    found = compare_calibration((boasting, honest), (stated, honest))
    assert found.candidate == pytest.approx(abs(0.95 - honest.mean()))
    assert found.low > 0.2
    assert compare_calibration(([NAN], [1.0]), ([0.5], [1.0])) is None


def test_ece_is_that_of_the_evaluations():
    from training.evaluation.calibration import ece

    rng = np.random.default_rng(3)
    stated, correct = rng.random(100), (rng.random(100) < 0.5).astype(float)
    assert float(ece_of(np.column_stack([stated, correct])[None])[0]) == pytest.approx(ece(stated, correct))


def test_a_share_that_is_always_zero_has_a_bound():
    assert share_bounds([0.0] * 12) == (0.0, 0.0, pytest.approx(0.265, abs=0.01))
    mean, low, high = share_bounds([0.0, 1.0] * 20)
    assert low < mean == 0.5 < high
    with pytest.raises(ValueError, match="no values"):
        share_bounds([])


def test_a_share_has_the_exact_bounds():
    """One hit in twelve: resampling says at most 0.25, the data allow 0.385 (Clopper and Pearson)."""
    assert share_bounds([1.0] + [0.0] * 11) == pytest.approx((1 / 12, 0.0021, 0.3848), abs=1e-4)
    assert share_bounds([1.0] * 12) == pytest.approx((1.0, 0.7354, 1.0), abs=1e-4)
    with pytest.raises(ValueError, match="outcomes 0 and 1"):
        share_bounds([0.5, 1.0])


def test_a_mean_of_one_value_is_no_share():
    assert mean_bounds([1.0, 1.0]) == (1.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="no values"):
        mean_bounds([])


def test_calibration_counts_the_cases_of_the_side_that_stated_fewer():
    few = [0.9] * 5 + [NAN] * 195
    found = compare_calibration((few, [1.0] * 200), ([0.8] * 200, [1.0] * 200))
    assert found.n == 5
