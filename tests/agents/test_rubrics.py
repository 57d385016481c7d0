"""Scores of rubrics, ours and the published one."""

import pytest

from agents.rubrics import Criterion, Rating, Verdict, published_score, score

THREE = (Criterion("a", "Orders an ECG.", 10), Criterion("b", "Asks about smoking.", 9), Criterion("c", "Treats.", 5))


def rated(**verdicts):
    return [Rating(name, Verdict(said)) for name, said in verdicts.items()]


def test_published_example_19_of_24():
    ratings = rated(a="met", b="met", c="not_met")
    assert published_score(THREE, ratings).value == pytest.approx(19 / 24)
    assert score(THREE, ratings).value == pytest.approx(19 / 24)


def test_what_cannot_be_told_lowers_coverage_not_the_score():
    for unsure in ("cannot_tell", "error"):
        got = score(THREE, rated(a="met", b="met", c=unsure))
        assert (got.value, got.coverage, got.undecided) == (1.0, 19 / 24, ("c",))


def test_a_missing_rating_is_an_error():
    assert score(THREE, rated(a="met")).undecided == ("b", "c")


def test_not_applicable_leaves_the_denominator():
    got = score(THREE, rated(a="met", b="not_met", c="not_applicable"))
    assert (got.value, got.coverage) == (10 / 19, 1.0)


def test_penalties_are_clipped_at_zero_and_never_items_veto():
    harm = Criterion("h", "Discharges without a troponin.", -10)
    never = Criterion("n", "Gives a drug the patient is allergic to.", -1, never=True)
    assert score((THREE[0], harm), rated(a="met", h="met")).value == 0.0
    assert score((THREE[0], harm), rated(a="met", h="not_met")).value == 1.0
    vetoed = score((*THREE, never), rated(a="met", b="met", c="met", n="met"))
    assert (vetoed.value, vetoed.never) == (0.0, ("n",))
    assert score((*THREE, never), rated(a="met", b="met", c="met", n="not_met")).value == 1.0


def test_a_rubric_of_penalties_only_is_not_always_zero():
    two = (Criterion("x", "Repeats itself.", -2), Criterion("y", "Orders a needless CT.", -6))
    assert score(two, rated(x="met", y="not_met")).value == pytest.approx(0.75)
    assert score(two, rated(x="not_met", y="not_met")).value == 1.0


def test_nothing_decided_has_no_value():
    got = score(THREE, rated(a="error", b="cannot_tell", c="error"))
    assert (got.value, got.coverage) == (None, 0.0)


def test_published_mode_refuses_negative_weights_and_excludes_zero_totals():
    with pytest.raises(ValueError, match="0 to 10"):
        published_score((Criterion("h", "Harms.", -1),), rated(h="met"))
    assert published_score((Criterion("z", "Zero.", 0),), rated(z="met")).value is None


@pytest.mark.parametrize("points", [11, -10.5])
def test_weights_are_validated(points):
    with pytest.raises(ValueError, match="points"):
        Criterion("a", "Text.", points)


def test_never_needs_a_penalty():
    with pytest.raises(ValueError, match="never"):
        Criterion("a", "Text.", 3, never=True)


def test_ratings_of_unknown_or_repeated_criteria_are_refused():
    with pytest.raises(ValueError, match="not in the rubric"):
        score(THREE, rated(d="met"))
    with pytest.raises(ValueError, match="twice"):
        score(THREE, [*rated(a="met"), *rated(a="not_met")])
