"""Every case in every denominator; outages in none."""

import pytest

from agents.judge import JudgeError
from agents.types import CaseRecord, End, RecordedResult
from tests.training.episodes import episode
from training.evaluation.cases import IN_SCOPE, OUT_OF_SCOPE, record_case
from training.evaluation.end_to_end import CaseResult, score, summarise

RECORD = CaseRecord(
    "r1", "test", 70, "male", "Chest pain", {"hpi": "Since today."},
    (RecordedResult("ECG", "ST elevation"), RecordedResult("Troponin", "High")), "Acute myocardial infarction",
)  # fmt: skip
CASE = record_case(RECORD, "centre")


def result(**changes):
    return CaseResult(**{"case": "c", "centre": "x", "end": "FINISH", **changes})


def test_both_definitions_of_f1_by_name():
    """The published 46.86 from 46.08 and 47.66 is the harmonic mean of the means."""
    rows = [result(precision=0.4608, recall=0.4766, f1=0.40), result(precision=0.4608, recall=0.4766, f1=0.50)]
    summary = summarise(rows)
    assert round(100 * summary["f1_of_means"], 2) == 46.86
    assert summary["f1_mean_per_case"] == pytest.approx(0.45)


def test_the_two_definitions_differ():
    summary = summarise([result(precision=1.0, recall=1.0, f1=1.0), result(precision=1.0, recall=0.0, f1=0.0)])
    assert (summary["f1_mean_per_case"], summary["f1_of_means"]) == (0.5, pytest.approx(2 / 3))


def test_what_never_finished_is_wrong_and_a_failed_environment_has_no_outcome():
    rows = [
        result(correct=True),
        result(end="MALFORMED"),
        result(end="MAX_TURNS"),
        result(end="DEFER"),
        result(end="ENV_ERROR", error="down"),
    ]
    summary = summarise(rows)
    assert (summary["n"], summary["scored"], summary["errors"]) == (5, 4, 1)
    assert summary["accuracy"] == 0.25
    assert (summary["malformed"], summary["deferred"], summary["capped"], summary["completed"]) == (0.25,) * 4


def test_what_it_was_taught_and_what_not_are_counted_apart():
    taught, other = {"scope": IN_SCOPE}, {"scope": OUT_OF_SCOPE}
    rows = [
        result(correct=True, subgroups=taught),
        result(end="DEFER", subgroups=taught),
        result(end="DEFER", subgroups=other),
        result(subgroups=other),
        result(end="DEFER", subgroups=other),
        result(end="DEFER", subgroups=other, error="down"),
    ]
    summary = summarise(rows)
    assert (summary["in_scope"], summary["out_of_scope"]) == (2, 3)
    assert (summary["accuracy_in_scope"], summary["deferred_in_scope"]) == (0.5, 0.5)
    assert summary["deferred_out_of_scope"] == pytest.approx(2 / 3)
    low, high = summary["ci"]["deferred_out_of_scope"]
    assert low <= 2 / 3 <= high
    assert "accuracy_in_scope" not in summarise([result(correct=True)])


def test_relative_to_the_oracle():
    rows = [result(correct=True), result(), result(), result(correct=True, error="down")]
    oracle = [result(correct=True), result(correct=True), result(), result(correct=True)]
    got = summarise(rows, oracle=oracle)
    assert (got["accuracy_over_oracle"], got["oracle_accuracy"]) == (0.5, pytest.approx(2 / 3))
    low, high = got["ci"]["accuracy_over_oracle"]
    assert low <= 0.5 <= high
    assert summarise(rows)["accuracy_over_oracle"] is None
    assert summarise(rows, oracle=[result()] * 4)["accuracy_over_oracle"] is None


def test_no_cases_are_no_zero():
    summary = summarise([])
    assert (summary["accuracy"], summary["f1_of_means"], summary["ci"]["accuracy"], summary["ece"]) == (None,) * 4


def test_calibration_counts_only_named_diagnoses():
    rows = [result(correct=True, confidence=1.0), result(end="DEFER", confidence=None), result(confidence=None)]
    summary = summarise(rows)
    assert (summary["ece"], summary["brier"]) == (0.0, 0.0)
    assert max(point["coverage"] for point in summary["risk_coverage"]) == pytest.approx(2 / 3)


async def test_a_record_is_scored_by_what_it_recorded():
    got = await score(episode("electrocardiogram", "CBC", diagnosis="Heart attack", usd=12.0), CASE)
    assert (got.correct, got.precision, got.recall, got.turns, got.cost) == (True, 0.5, 0.5, 3, 12.0)
    assert got.confidence == 0.9
    assert got.subgroups == {"sex": "male", "age": "65+", "scope": IN_SCOPE}


async def test_no_diagnosis_keeps_its_examinations():
    got = await score(episode("ECG", end=End.MALFORMED, malformed=3), CASE)
    assert (got.correct, got.recall, got.malformed_turns, got.turns) == (False, 0.5, 3, 1)


async def test_undecided_without_a_judge_is_wrong_and_counted():
    got = await score(episode(diagnosis="Morbus Heberden"), CASE)
    assert (got.correct, got.how) == (False, "undecided")
    assert summarise([got])["undecided"] == 1


class Judge:
    def __init__(self, says):
        self.says = says

    async def same_diagnosis(self, predicted, reference):
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


async def test_a_judge_settles_and_its_outage_is_unscored():
    made = episode(diagnosis="Morbus Heberden")
    assert (await score(made, CASE, judge=Judge(True))).correct
    right = await score(made, CASE, judge=Judge(True))
    got = await score(made, CASE, judge=Judge(JudgeError("down")))
    assert (got.correct, got.error) == (False, "unscored: down")
    assert summarise([got])["accuracy"] is None
    told = summarise([right, got, await score(made, CASE)])
    assert (told["judged"], told["unjudged"], told["undecided"], told["accuracy"]) == (1, 1, 1, 0.5)
