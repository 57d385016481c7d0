"""Oracles of the numeric metrics (system.md W5)."""

import numpy as np
import pytest

from training.evaluation.fidelity import numeric
from training.evaluation.fidelity.draws import Drawn


def normal(seed, size=500, mean=140.0, sd=4.0):
    return np.random.default_rng(seed).normal(mean, sd, size)


def test_identical_sets_have_distance_0():
    x = normal(1)
    assert numeric.wasserstein(x, x) == 0
    assert numeric.wasserstein(x, np.random.default_rng(2).permutation(x)) == pytest.approx(0, abs=1e-12)


def test_a_shift_by_one_standard_deviation_is_1():
    x = normal(1)
    assert numeric.wasserstein(x, x + x.std()) == pytest.approx(1.0)
    assert numeric.wasserstein(x, x - 2 * x.std()) == pytest.approx(2.0)


def test_both_sides_are_standardised_by_the_truth():
    x, y = normal(1), normal(2, sd=8.0)
    assert numeric.wasserstein(x, y) == pytest.approx(float(numeric.wasserstein(100 * x + 7, 100 * y + 7)))
    assert numeric.wasserstein(x, y) > 0.5
    # Each side by its own deviation, as the paper's formula reads, would hide the doubled spread.
    own = numeric.wasserstein((x - x.mean()) / x.std(), (y - y.mean()) / y.std())
    assert own < 0.15


def test_distance_by_hand():
    # masses 1/2 at 0 and 2 (sd 1) against 1 at 3: both move, by 3 and by 1, mean 2
    assert numeric.wasserstein([0, 2], [3, 3], fewest=2) == pytest.approx(2.0)
    assert numeric.wasserstein([0, 2], [3, 9], fewest=2, drawn_weight=[2.0, 0.0]) == pytest.approx(2.0)


def test_thirty_samples_on_each_side():
    x = normal(1)
    assert np.isnan(numeric.wasserstein(x[:29], x))
    assert np.isnan(numeric.wasserstein(x, x[:29]))
    assert numeric.wasserstein(x[:30], x[:30]) == 0
    assert np.isnan(numeric.wasserstein(np.full(40, 5.0), x))


def test_normalised_variance_by_hand():
    # mean 4, squares 4 + 0 + 4 = 8, variance 8 / 2 = 4, over 16
    assert numeric.normalised_variance([2.0, 4.0, 6.0]) == pytest.approx(0.25)
    assert np.isnan(numeric.normalised_variance([2.0, 4.0]))
    assert np.isnan(numeric.normalised_variance([-1.0, 0.0, 1.0]))


def test_weights_are_repetitions():
    x, y = normal(3, 40), normal(4, 40)
    w = np.random.default_rng(5).integers(0, 3, 40)
    repeated = np.repeat(x, w)
    assert numeric.normalised_variance(x, w) == pytest.approx(float(numeric.normalised_variance(repeated)))
    one = numeric.wasserstein(x, y, truth_weight=w, drawn_weight=w)
    assert one == pytest.approx(float(numeric.wasserstein(repeated, np.repeat(y, w), fewest=1)))
    batch = numeric.wasserstein(x, y, truth_weight=np.stack([w, w]), drawn_weight=np.ones((2, 40)))
    assert batch.shape == (2,)


def test_normalised_error_by_hand():
    # |12 - 10| + |18 - 30| = 14 over 10 + 30
    assert numeric.normalised_error([10.0, 30.0], [12.0, 18.0]) == pytest.approx(14 / 40)
    assert np.isnan(numeric.normalised_error([0.0], [1.0]))


def row(case, truth, *draws, exam="Sodium"):
    return Drawn(f"case {case}", "d", exam, truth, tuple(draws))


def sodium(value, unit="mmol/L"):
    return f"Sodium: {value:.1f} {unit}"


def test_units_in_conflict_leave_a_sub_test_out():
    rows = [row(n, sodium(140 + n % 5), sodium(141)) for n in range(40)]
    assert [test.name for test in numeric.collect(rows).tests] == ["sodium"]
    mixed = [*rows, row(99, sodium(140, "mg/dL"), sodium(141))]
    found = numeric.collect(mixed)
    assert found.tests == ()
    assert found.conflicts == ("sodium",)
    assert numeric.distance(found).value is None


def test_a_draw_in_another_unit_or_without_a_value_is_strange():
    found = numeric.collect([row(n, sodium(140), sodium(3, "g"), "normal", sodium(141)) for n in range(3)])
    assert found.strange == 6
    assert len(found.tests[0].drawn) == 3


def test_averages_over_sub_tests_with_intervals_over_patients():
    rng = np.random.default_rng(0)
    rows = []
    for n in range(60):
        x, k = rng.normal(140, 4), rng.normal(4, 0.4)
        rows.append(row(n, f"Sodium: {x:.2f} mmol/L\nPotassium: {k:.2f} mmol/L", f"Sodium: {x + 4:.2f} mmol/L"))
    found = numeric.collect(rows)
    distance = numeric.distance(found)
    assert distance.tests == 1
    assert distance.value == pytest.approx(1.0, abs=0.15)
    assert distance.interval[0] <= distance.value <= distance.interval[1]
    assert numeric.error(found).value == pytest.approx(4 / 140, abs=0.001)


def test_an_interval_holds_its_estimate_though_distances_grow_in_resamples():
    rng = np.random.default_rng(1)
    rows = [row(n, sodium(rng.normal(140, 4)), sodium(rng.normal(140, 4))) for n in range(60)]
    found = numeric.distance(numeric.collect(rows))
    assert 0 <= found.interval[0] < found.value < found.interval[1]


def test_variance_is_judged_by_its_distance_from_the_real_one():
    rng = np.random.default_rng(0)

    def spread(sd):
        return numeric.collect([row(n, sodium(rng.normal(140, 4)), sodium(rng.normal(140, sd))) for n in range(80)])

    as_real, too_much = numeric.variance_distance(spread(4)), numeric.variance_distance(spread(30))
    assert as_real.value < too_much.value
    assert numeric.variance(spread(30)).value > numeric.variance(spread(30), of_truth=True).value
    assert as_real.interval[0] == 0.0


def test_draws_of_one_patient_do_not_pass_for_more_spread():
    rows = [row(n, sodium(130 + n), sodium(130 + n), sodium(130 + n)) for n in range(5)]
    assert numeric.variance_distance(numeric.collect(rows)).value == pytest.approx(0, abs=1e-15)
