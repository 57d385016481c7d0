"""Intervals, paired tests and small cells against numbers known in advance."""

import numpy as np
import pytest

from training.evaluation.end_to_end import f1_of_means
from training.evaluation.statistics import (
    bootstrap_ci,
    paired,
    ratio_ci,
    share_ci,
    sign_test,
    subgroup_table,
    subgroup_tables,
)


def test_the_interval_covers_the_mean_and_narrows_with_n():
    rng = np.random.default_rng(1)
    small, large = rng.random(50), rng.random(5000)
    low, high = bootstrap_ci(small)
    assert low < small.mean() < high
    # Normal theory: half width 1.96 sd / sqrt(n).
    narrow = np.diff(bootstrap_ci(large))[0]
    assert narrow == pytest.approx(2 * 1.96 * large.std() / np.sqrt(5000), rel=0.1)


def test_a_constant_has_no_width_and_no_cases_no_interval():
    assert bootstrap_ci([0.3] * 9) == (pytest.approx(0.3), pytest.approx(0.3))
    assert bootstrap_ci([]) is None


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(0).random(30)
    assert bootstrap_ci(values, seed=3) == bootstrap_ci(values, seed=3)
    assert bootstrap_ci(values, seed=3) != bootstrap_ci(values, seed=4)


def test_coverage_is_near_95_percent():
    rng = np.random.default_rng(0)
    hits = sum(low <= 0.6 <= high for low, high in (bootstrap_ci(rng.random(80) < 0.6, seed=n) for n in range(200)))
    assert 180 <= hits <= 199


def test_none_of_forty_does_not_prove_none():
    """Clopper and Pearson's bound: 1 - 0.025 ** (1 / 40) = 0.0881."""
    assert share_ci([0] * 40) == (0.0, pytest.approx(0.0881, abs=1e-4))
    assert share_ci([1] * 40) == (pytest.approx(0.9119, abs=1e-4), 1.0)
    assert share_ci([]) is None
    mixed = [1, 0, 1, 1, 0]
    assert share_ci(mixed, seed=2) == bootstrap_ci(mixed, seed=2)


def test_a_ratio_is_resampled_in_pairs():
    rng = np.random.default_rng(0)
    baseline = rng.random(60) < 0.8
    assert ratio_ci(baseline, baseline) == (pytest.approx(1.0), pytest.approx(1.0))
    half = baseline & (rng.random(60) < 0.5)
    low, high = ratio_ci(half, baseline)
    assert low < half.mean() / baseline.mean() < high
    assert ratio_ci([0] * 40, [1, 0] * 20) == (0.0, pytest.approx(2 * 0.0881, abs=2e-4))
    assert ratio_ci([0, 0], [0, 0]) is None
    low, high = ratio_ci([1, 0], [1, 0])  # half of the resamples have no ratio
    assert (low, high) == (1.0, 1.0)


def test_a_statistic_of_two_columns():
    data = np.column_stack([np.full(10, 0.4608), np.full(10, 0.4766)])
    assert bootstrap_ci(data, statistic=f1_of_means) == (pytest.approx(0.4686, abs=5e-5),) * 2


def test_sign_test_is_exact():
    assert sign_test(8, 2) == pytest.approx(112 / 1024)
    assert sign_test(0, 5) == pytest.approx(2 / 32)
    assert sign_test(3, 3) == 1.0
    assert sign_test(0, 0) == 1.0


def test_paired_comparison():
    got = paired([1, 1, 1, 0, 1], [0, 1, 0, 0, 0])
    assert (got.n, got.difference, got.wins, got.losses, got.ties) == (5, pytest.approx(0.6), 3, 0, 2)
    assert got.low <= 0.6 <= got.high
    assert got.p == pytest.approx(0.25)


@pytest.mark.parametrize(("a", "b"), [([1], [1, 0]), ([], [])])
def test_paired_needs_the_same_cases(a, b):
    with pytest.raises(ValueError, match="same cases"):
        paired(a, b)


def test_small_cells_are_hidden_with_a_second_one():
    groups = ["a"] * 30 + ["b"] * 20 + ["c"] * 3
    table = {cell.group: cell for cell in subgroup_table([1.0] * 53, groups)}
    assert table["a"].n == 30
    assert table["c"].hidden
    assert table["b"].hidden, "b alone would give c away"
    assert table["c"].value is None


def test_two_small_cells_hide_nothing_else():
    table = subgroup_table([1.0] * 26, ["a"] * 20 + ["b"] * 3 + ["c"] * 3)
    assert [cell.hidden for cell in table] == [False, True, True]


def test_every_subgroup_has_a_table_and_missing_is_unknown():
    tables = subgroup_tables([1.0] * 20, [{"sex": "f"}] * 10 + [{"sex": "m", "age": "65+"}] * 10)
    assert {name: [cell.group for cell in cells] for name, cells in tables.items()} == {
        "age": ["65+", "unknown"],
        "sex": ["f", "m"],
    }
