"""Who flips everything is flagged, and nobody else; the honest are not pulled down by the one beside them."""

from __future__ import annotations

import numpy as np
import pytest

from agents.agreement import majority_of_others, rater_agreement

CRITERIA = 4
FLIPPER = 2


def panel(*, items: int = 60, raters: int = 5, overlap: int = 3, skill: float = 0.9, seed: int = 0) -> dict:
    """0/1 verdicts of a panel on items of CRITERIA criteria; `overlap` of them judge each item."""
    rng = np.random.default_rng(seed)
    truth = (rng.random((items, CRITERIA)) < np.array([0.3, 0.5, 0.7, 0.85])).astype(float).ravel()[:, None]
    right = rng.random((items * CRITERIA, raters)) < skill
    said = np.where(right, truth, 1 - truth)
    absent = np.argsort(rng.random((items, raters)), axis=1) >= overlap
    said[np.repeat(absent, CRITERIA, axis=0)] = np.nan
    return {
        "said": said,
        "strata": np.tile(np.arange(CRITERIA), items),
        "clusters": np.repeat(np.arange(items), CRITERIA),
    }


def judged(found: dict) -> list:
    return rater_agreement(found["said"], strata=found["strata"], clusters=found["clusters"])


@pytest.mark.parametrize("overlap", [2, 3, 5])
@pytest.mark.parametrize("seed", range(4))
def test_who_flips_everything_is_flagged_and_nobody_else(overlap, seed):
    found = panel(overlap=overlap, seed=seed)
    found["said"][:, FLIPPER] = 1 - found["said"][:, FLIPPER]
    rows = judged(found)
    assert [row.flagged for row in rows] == [rater == FLIPPER for rater in range(5)]
    assert rows[FLIPPER].kappa.high < 0
    assert rows[FLIPPER].raw.value < 0.3


@pytest.mark.parametrize("seed", range(4))
def test_who_answers_by_chance_is_flagged(seed):
    found = panel(seed=seed, overlap=4)
    rng = np.random.default_rng(seed)
    guess = rng.integers(0, 2, len(found["said"])).astype(float)
    found["said"][:, FLIPPER] = np.where(np.isnan(found["said"][:, FLIPPER]), np.nan, guess)
    assert [row.flagged for row in judged(found)] == [rater == FLIPPER for rater in range(5)]


@pytest.mark.parametrize("skill", [0.95, 0.8, 0.65])
def test_an_honest_panel_has_nobody_flagged(skill):
    assert not any(row.flagged for seed in range(5) for row in judged(panel(skill=skill, seed=seed)))


def test_two_raters_who_contradict_each_other_are_not_flagged():
    """Nobody can say which of the two is upside down."""
    found = panel(raters=2, overlap=2)
    found["said"][:, 1] = 1 - found["said"][:, 1]
    rows = judged(found)
    assert all(row.kappa.high < 0 for row in rows)
    assert not any(row.flagged for row in rows)


def test_the_others_are_compared_without_the_one_in_question():
    """Beside the flipper, everybody else would look worse than they are."""
    found = panel(overlap=2)
    found["said"][:, FLIPPER] = 1 - found["said"][:, FLIPPER]
    rows = judged(found)
    assert rows[FLIPPER].others.value > rows[0].others.value + 0.1


def test_a_majority_is_more_than_half_of_the_others():
    nan = np.nan
    said = [[1, 1, 0], [1, 0, nan], [1, nan, nan], [1, 1, 1]]
    expected = [[nan, nan, 1], [0, 1, nan], [nan, nan, nan], [1, 1, 1]]
    np.testing.assert_array_equal(majority_of_others(said), expected)


def test_anything_but_met_and_not_met_is_refused():
    with pytest.raises(ValueError, match="0, 1"):
        rater_agreement([[0.5, 1.0]], strata=[0], clusters=[0])
