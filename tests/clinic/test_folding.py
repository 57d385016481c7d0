"""Verdicts of turns folded into one: a penalty by any turn, a reward by every turn."""

import pytest

from clinic.folding import folded
from clinic.models import Rating, RubricCriterion

M, N, C, A, E = "met", "not_met", "cannot_tell", "not_applicable", "error"


def fold(points, *verdicts):
    criterion = RubricCriterion(pk=1, key="k", text="x", points=points, per_turn=True)
    rows = [Rating(criterion_id=1, turn=n, verdict=v, evidence=f"e{n}") for n, v in enumerate(verdicts, 1)]
    return folded([criterion], rows)


@pytest.mark.parametrize(
    ("verdicts", "reward", "penalty"),
    [
        ([M, M], M, M),
        ([M, N], N, M),
        ([N, N], N, N),
        ([M, C], C, M),
        ([N, C], N, C),
        ([A, A], A, A),
        ([A, M], M, M),
        ([A, N], N, N),
        ([E, C, M], E, M),
        ([E, N], N, E),
    ],
)
def test_turns_fold(verdicts, reward, penalty):
    assert fold(5, *verdicts)[0].verdict == reward
    assert fold(-5, *verdicts)[0].verdict == penalty


def test_the_evidence_is_that_of_the_deciding_turn():
    assert fold(-5, N, M)[0].evidence == "e2"
    assert fold(5, M, N)[0].evidence == "e2"


def test_what_was_not_rated_is_left_out():
    assert fold(5) == []
