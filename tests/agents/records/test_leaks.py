"""Which openings give the diagnosis away."""

import pytest

from agents.records.leaks import leak
from agents.types import CaseRecord


def _opening(said, answer):
    return CaseRecord("1", "test", 40, "male", "Tiredness", {"hpi": said}, answer=answer)


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("Known ALL in remission.", "Acute lymphoblastic leukaemia (ALL)"),
        ("He was told it is acute lymphoblastic leukaemia.", "Acute lymphoblastic leukaemia (ALL)"),
        ("Recently found to have sarcoidosis.", "Sarcoidosis"),
    ],
)
def test_a_named_diagnosis_leaks(said, answer):
    assert "names the diagnosis" in leak(_opening(said, answer))


def test_a_word_that_looks_like_an_abbreviation_does_not():
    assert leak(_opening("I'm tired all the time.", "Acute lymphoblastic leukaemia (ALL)")) is None
