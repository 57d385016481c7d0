"""Indices and tests of drift against values that are known by hand or by simulation."""

from __future__ import annotations

import random
from collections import Counter
from math import log

import pytest

from training.drift.statistics import chi_squared, means_differ, proportions_differ, psi, psi_by_chance


def test_psi_by_hand():
    assert psi({"a": 50, "b": 50}, {"a": 50, "b": 50}) == 0
    expected = (0.75 - 0.5) * log(0.75 / 0.5) + (0.25 - 0.5) * log(0.25 / 0.5)
    assert psi({"a": 75, "b": 25}, {"a": 50, "b": 50}) == pytest.approx(expected)
    assert psi({"a": 50, "b": 50}, {"a": 75, "b": 25}) == pytest.approx(expected)
    assert psi({"a": 100}, {"a": 50, "b": 50}) > 1, "a category that is gone counts, and is not infinite"
    assert psi({"a": 5, "z": 0}, {"a": 9}) == 0
    with pytest.raises(ValueError, match="must hold something"):
        psi({}, {"a": 1})


def test_equal_populations_stay_under_what_chance_allows():
    draw = random.Random(1)

    def sample(n: int) -> Counter[str]:
        return Counter(draw.choices("abcdef", weights=[30, 25, 20, 15, 7, 3], k=n))

    pairs = [(sample(120), sample(360)) for _ in range(1000)]
    beyond = sum(psi(now, before) > psi_by_chance(now, before) for now, before in pairs)
    assert beyond <= 8, "expected about one in a thousand, and the approximation is not exact"
    assert beyond < sum(psi(now, before) > 0.1 for now, before in pairs), "a fixed limit of 0.1 would cry wolf"
    assert psi_by_chance({"a": 10}, {"a": 20}) == 0


def test_proportions_and_means():
    assert proportions_differ((10, 100), (10, 100)) == pytest.approx(1)
    assert proportions_differ((40, 100), (10, 100)) < 1e-5
    assert proportions_differ((2, 10), (1, 10)) > 0.5
    assert means_differ([3.0, 3.0], [3.0, 3.0]) == 1
    assert means_differ([3.0, 3.0], [4.0, 4.0]) == 0


def test_they_agree_with_a_library_that_the_product_does_not_need():
    stats = pytest.importorskip("scipy.stats", reason="scipy comes with scikit-learn of the tests")
    draw = random.Random(2)
    for _ in range(200):
        n, m = draw.randint(30, 300), draw.randint(30, 300)
        hits, others = draw.randint(0, n), draw.randint(0, m)
        exact = stats.fisher_exact([[hits, n - hits], [others, m - others]])[1]
        assert proportions_differ((hits, n), (others, m)) == pytest.approx(exact, rel=1e-6, abs=1e-12)
        one = [draw.gauss(0, 1) for _ in range(n)]
        other = [draw.gauss(draw.uniform(0, 0.8), 2) for _ in range(m)]
        welch = stats.ttest_ind(one, other, equal_var=False).pvalue
        assert means_differ(one, other) == pytest.approx(welch, rel=0.05, abs=1e-5)
    for freedom in (1, 2, 5, 11, 30):
        for share in (0.9, 0.99, 0.999):
            assert chi_squared(share, freedom) == pytest.approx(stats.chi2.ppf(share, freedom), rel=0.05)
