"""Calibration against hand-computed numbers."""

import pytest

from training.evaluation.calibration import area_under_risk, brier, ece, reliability, risk_coverage


def test_perfect_and_opposite():
    assert ece([1.0, 1.0, 0.0], [True, True, False]) == 0.0
    assert ece([1.0, 0.0], [False, True]) == 1.0
    assert brier([1.0, 0.0], [False, True]) == 1.0


def test_by_hand():
    stated, correct = [0.95, 0.95, 0.55, 0.55], [1, 0, 1, 1]
    # Bins: 0.95 with accuracy 0.5 (gap 0.45), 0.55 with accuracy 1 (gap 0.45).
    assert ece(stated, correct) == pytest.approx(0.45)
    assert brier(stated, correct) == pytest.approx((0.05**2 + 0.95**2 + 2 * 0.45**2) / 4)
    assert [(row.low, row.n, row.correct) for row in reliability(stated, correct)] == [(0.5, 2, 1.0), (0.9, 2, 0.5)]


def test_a_probability_of_one_stands_in_the_last_bin():
    assert [row.low for row in reliability([1.0], [1])] == [0.9]


def test_nothing_stated():
    assert ece([], []) is None
    assert brier([], []) is None


def test_what_is_no_probability():
    with pytest.raises(ValueError, match="0 to 1"):
        ece([1.2], [1])
    with pytest.raises(ValueError, match="one probability"):
        brier([0.2, 0.1], [1])


def test_deferring_lowers_coverage_not_risk():
    points = risk_coverage([0.9, 0.8, None, 0.6], [True, False, None, True])
    assert [(p.coverage, pytest.approx(p.risk)) for p in points] == [(0.25, 0.0), (0.5, 0.5), (0.75, 1 / 3)]
    assert max(p.coverage for p in points) == 0.75


def test_equal_probabilities_enter_together():
    assert [p.coverage for p in risk_coverage([0.9, 0.9, 0.1], [True, False, True])] == [pytest.approx(2 / 3), 1.0]


def test_area():
    assert area_under_risk(risk_coverage([0.9, 0.1], [True, False])) == pytest.approx(0.25)
    assert area_under_risk([]) is None
