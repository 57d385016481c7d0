"""Chains that contradict themselves, and the person read from a profile."""

import pytest

from agents.world.grammar import Event
from training.evaluation.fidelity.consistency import believable, chains, person
from training.evaluation.fidelity.draws import Drawn, Mode
from training.worlds.rows import Row

PROFILE = "Patient:\n67-year-old female\n\nFinal Diagnosis:\nGout"
ROW = Row("1", "1", "test", "o", "public", PROFILE, "Gout", ((Event("Heart rate", "70 /min"),),))


def chain(*results, case="1"):
    return [Drawn(case, "Gout", exam, "t", (text,), Mode.FREE, n) for n, (exam, text) in enumerate(results)]


@pytest.mark.parametrize(
    ("profile", "told"),
    [
        (PROFILE, (67, "female")),
        ("A 4 year old boy with fever.", (4, "male")),
        ("___ yo gentleman", (None, "")),
        ("This 81-year-old right-handed man", (81, "male")),
    ],
)
def test_person(profile, told):
    assert person(profile) == told


def test_a_chain_without_contradictions():
    found = chains(chain(("Heart rate", "70 /min"), ("ECG", "Sinus rhythm.")), {"1": ROW})
    assert (found.value, found.n, dict(found.complaints)) == (1.0, 1, {})


@pytest.mark.parametrize(
    "results",
    [
        [("Heart rate", "45 /min"), ("ECG", "Sinus tachycardia.")],
        [("Haemoglobin", "14.0 g/dL"), ("CBC", "Haemoglobin: 7.0 g/dL")],
        [("CT abdomen", "Enlarged prostate.")],
        [("Blood pressure", "80/120")],
    ],
)
def test_a_contradiction_spoils_the_chain(results):
    found = chains(chain(*results), {"1": ROW})
    assert found.value == 0.0
    assert sum(found.complaints.values()) == 1


def test_missing_steps_are_no_contradiction():
    steps = [*chain(("Heart rate", "70 /min")), Drawn("1", "Gout", "ECG", "t", (), Mode.FREE, 1, ("gone",))]
    assert chains(steps, {"1": ROW}).value == 1.0
    assert chains(steps[1:], {"1": ROW}).value is None


def test_share_that_the_monitor_would_take():
    rows = [Drawn("1", "Gout", "Heart rate", "t", ("72 /min", "None"), Mode.FORCED)]
    found = believable(rows, {"1": ROW})
    assert (found.value, dict(found.complaints)) == (0.5, {"malformed": 1})
