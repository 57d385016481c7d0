"""Intervals cover the truth, are the same for the same seed, and never pretend to certainty."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest

from agents.agreement import (
    alpha,
    alpha_interval,
    bootstrap_ci,
    kappa_interval,
    pairs_kappa_interval,
    raw_interval,
    weighted_kappa,
)
from tests.agents.agreement.test_libraries import drawn


def test_the_same_seed_gives_the_same_interval_and_another_one_another():
    said = drawn(1, units=40, raters=3, values=2, missing=0.2, agree=0.6)
    assert alpha_interval(said, seed=3) == alpha_interval(said, seed=3)
    assert alpha_interval(said, seed=3) != alpha_interval(said, seed=4)


def test_drawing_distinct_rows_is_the_bootstrap_of_units():
    """The quick way equals resampling units one by one, up to the noise of the draws."""
    said = drawn(5, units=60, raters=2, values=2, missing=0.1, agree=0.6)
    quick = alpha_interval(said, repeats=20_000)
    rng = np.random.default_rng(0)
    slow = [alpha(said[rng.integers(0, 60, 60)]) for _ in range(2000)]
    assert (quick.low, quick.high) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])), abs=0.03)


@pytest.mark.parametrize("interval", [alpha_interval, lambda said, seed: kappa_interval(said[:, 0], said[:, 1])])
def test_intervals_cover_the_coefficient_of_the_population(interval):
    population = drawn(7, units=40_000, raters=2, values=2, missing=0.0, agree=0.7)
    truth = alpha(population)
    covered = 0
    for repeat in range(200):
        found = interval(population[repeat * 60 : repeat * 60 + 60], seed=repeat)
        covered += found.low <= truth <= found.high
    assert covered / 200 >= 0.9


@pytest.mark.parametrize("units", [10, 30])
def test_complete_agreement_is_no_certainty(units):
    said = np.repeat(np.arange(units) % 2, 2).reshape(units, 2).astype(float)
    raw, found = raw_interval(said), alpha_interval(said)
    kappa = kappa_interval(said[:, 0], said[:, 1])
    assert raw.value == found.value == kappa.value == 1
    assert raw.low == pytest.approx(0.025 ** (1 / units))
    assert found.low < raw.low < 1
    assert kappa.low < raw.low


def test_without_variation_there_is_nothing_to_agree_about():
    same = np.ones((30, 2))
    assert isnan(alpha(same))
    assert isnan(weighted_kappa(same[:, 0], same[:, 1]))
    assert not alpha_interval(same).is_defined
    assert raw_interval(same).value == 1


def test_an_interval_that_rests_on_lucky_resamples_is_none():
    """One unit of twenty differs: a third of the resamples has no variation at all."""
    said = np.ones((20, 2))
    said[0] = [0, 1]
    assert isnan(alpha_interval(said).low)


def test_units_with_one_rating_do_not_count():
    said = np.array([[1.0, np.nan], [1, 1], [0, 0], [0, 1]])
    assert alpha_interval(said).units == 3
    assert isnan(alpha(said[:1]))


def test_a_hundred_thousand_units_are_drawn_by_their_few_distinct_rows():
    said = drawn(1, units=100_000, raters=3, values=2, missing=0.2, agree=0.6)
    found = alpha_interval(said)
    assert found.high - found.low < 0.02


def test_criteria_that_differ_in_prevalence_do_not_pass_for_agreement():
    """Two criteria, one met by nearly all and one by nearly none, judged by chance alone."""
    rng = np.random.default_rng(0)
    strata = np.repeat([0, 1], 2000)
    said = (rng.random((4000, 2)) < np.where(strata, 0.9, 0.1)[:, None]).astype(float)
    assert alpha_interval(said).low > 0.6
    within = alpha_interval(said, strata=strata)
    assert within.low < 0 < within.high
    kappa = pairs_kappa_interval(said, strata=strata)
    assert kappa.low < 0 < kappa.high
    two = kappa_interval(said[:, 0], said[:, 1], strata=strata)
    assert two.low < 0 < two.high


def test_verdicts_of_one_consultation_are_drawn_together():
    """Ten criteria of a consultation that say the same are not ten times the evidence."""
    once = drawn(3, units=40, raters=2, values=2, missing=0.0, agree=0.6)
    often, clusters = np.repeat(once, 10, axis=0), np.repeat(np.arange(40), 10)
    apart, together = alpha_interval(often), alpha_interval(often, clusters=clusters)
    assert together.high - together.low > 2.5 * (apart.high - apart.low)
    raw = raw_interval(often, clusters=clusters)
    assert raw.low == pytest.approx(raw_interval(once).low, abs=0.03)


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="units"):
        alpha([1.0, 2.0])
    with pytest.raises(ValueError, match="level"):
        alpha([[1.0, 2.0]], level="ratio")
    with pytest.raises(ValueError, match="same units"):
        weighted_kappa([1, 0], [1])
    with pytest.raises(ValueError, match="categories"):
        weighted_kappa([1, 2], [1, 1], categories=[0, 1])
    with pytest.raises(ValueError, match="weights"):
        weighted_kappa([1, 2], [1, 1], weights="cubic")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="units"):
        bootstrap_ci([1.0], lambda sums: sums)


def test_groups_of_many_rows_give_the_interval_of_the_rows():
    """What bounds the cost of a large queue changes nothing but the noise of the draws."""
    rng = np.random.default_rng(0)
    scores = rng.normal(0.5, 0.2, 20_000)
    low, high = bootstrap_ci(
        np.column_stack([scores, np.ones(20_000)]), lambda sums: sums[..., 0] / sums[..., 1], repeats=4000
    )
    half = 1.96 * scores.std() / np.sqrt(20_000)
    assert (high - low) / 2 == pytest.approx(half, rel=0.12)
    assert (low + high) / 2 == pytest.approx(scores.mean(), abs=half / 5)
