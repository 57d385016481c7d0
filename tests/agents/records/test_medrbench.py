"""MedR-Bench case reports become records; what cannot be used says why."""

import json

import pytest

from agents.records.base import Rejection
from agents.records.leaks import names_of
from agents.records.medrbench import parse

ROW = {
    "id": "PMC1",
    "patient": "Indian male in his early 40s.",
    "chief_complaint": "Breathlessness for two days",
    "hpi": "Worse lying flat.",
    "pmh": "None mentioned",
    "personal": "Smokes.",
    "family": "None reported.",
    "physical_exam": "- **Heart:** gallop\n  - Lungs: crackles",
    "ancillary_tests": [
        "Initial laboratory tests (day 1): Troponin raised.",
        "Imaging:",
        "CXR: Pulmonary oedema.",
        "Echocardiogram showed an ejection fraction of 20 %.",
        "Something was *found* somewhere.",
        "Treatment: Furosemide.",
        "Potassium: 6.1 mEq/L",
    ],
    "diagnosis": "Acute dilated cardiomyopathy (DCM) due to a virus.",
}


def one(**changes):
    (parsed,) = parse([json.dumps({**ROW, **changes})])
    return parsed


def test_a_case():
    record = one()
    assert (record.id, record.age_years, record.sex) == ("medrbench:PMC1", 42, "male")
    assert record.history == {"hpi": "Worse lying flat.", "social": "Smokes."}
    assert [(r.examination, r.text) for r in record.results] == [
        ("Physical examination", "Heart: gallop\nLungs: crackles"),
        ("Initial laboratory tests (day 1)", "Troponin raised."),
        ("Chest X-ray", "Pulmonary oedema."),
        ("Echocardiogram", "Echocardiogram showed an ejection fraction of 20 %."),
        ("Ancillary tests 5", "Something was found somewhere."),
        ("Potassium", "6.1 mEq/L"),
    ]
    assert [(v.code, v.value, v.flag) for v in record.results[-1].values] == [("potassium", 6.1, "H")]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"patient": ""}, "patient is missing"),
        ({"chief_complaint": None}, "chief_complaint is missing"),
        ({"diagnosis": []}, "diagnosis is missing"),
        ({"ancillary_tests": "text"}, "ancillary_tests is missing"),
        ({"ancillary_tests": [], "physical_exam": "Not mentioned."}, "no examination results"),
        ({"hpi": "Known dilated cardiomyopathy."}, "names the diagnosis (dilated cardiomyopathy)"),
        ({"pmh": "DCM in 2010"}, "names the diagnosis (DCM)"),
        ({"chief_complaint": "Elective coronary angioplasty"}, "procedure"),
    ],
)
def test_rejections(changes, why):
    parsed = one(**changes)
    assert isinstance(parsed, Rejection)
    assert why in parsed.reason
    assert parsed.record == "PMC1"


def test_names_of_a_diagnosis():
    assert names_of("Acute appendicitis with perforation.")[0] == "Acute appendicitis with perforation"
    assert "appendicitis" in [name.lower() for name in names_of("Appendicitis (acute)")]
    assert "GIST" in names_of("Gastrointestinal stromal tumor (GIST)")
    assert "PE" not in names_of("Embolism (PE)"), "two letters are in too many words"


def test_a_leak_is_whole_words():
    assert not isinstance(one(diagnosis="Flat foot", hpi="Worse lying flat. Foot warm?"), str)
    assert not isinstance(one(diagnosis="Ling disease"), Rejection)
