"""AgentClinic's OSCE cases become records; what cannot be used says why."""

import json

import pytest

from agents.records.agentclinic import parse
from agents.records.base import Rejection

TESTS = {
    "Complete_Blood_Count": {"Hemoglobin": "11.2 g/dL", "WBC": "7,300/mm3", "Platelets": "Normal"},
    "Blood_Tests": {"Creatinine": "1.9 mg/dL (elevated)", "Odd_Antibody": "Present"},
    "Imaging": {"Chest_X-ray": {"Findings": "Clear.", "Comments": "No effusion."}},
    "Biopsy": {"Lymph_Node": {"Findings": "Reactive."}},
    "Electrocardiogram": "Sinus rhythm",
}
SIGNS = {
    "Vital_Signs": {"Temperature": "38.4°C (101.1°F)", "Blood_Pressure": "90/60 mmHg"},
    "Hand_Examination": {"Inspection": "Wasting"},
}
ACTOR = {
    "Demographics": "45-year-old woman",
    "History": "Tired for a month. Loses weight.",
    "Symptoms": {"Primary_Symptom": "Tiredness", "Secondary_Symptoms": ["Weight loss", "Sweats"]},
    "Past_Medical_History": "None.",
    "Medications": ["Ramipril", "Aspirin"],
    "Review_of_Systems": {"Skin": "no rash"},
}


def row(**changes):
    osce = {
        "Patient_Actor": ACTOR,
        "Physical_Examination_Findings": SIGNS,
        "Test_Results": TESTS,
        "Correct_Diagnosis": "Hodgkin lymphoma (HL)",
        **changes,
    }
    return json.dumps({"OSCE_Examination": osce})


def one(line):
    (parsed,) = parse([line])
    return parsed


def test_a_case():
    record = one(row())
    assert (record.age_years, record.sex, record.complaint) == (45, "female", "Tiredness")
    assert record.answer == "Hodgkin lymphoma (HL)"
    assert record.history["hpi"] == "Tired for a month. Loses weight. Other symptoms: Weight loss; Sweats."
    assert record.history["drugs"] == "Ramipril; Aspirin"
    assert record.history["review"] == "Skin: no rash"
    assert [(r.examination, r.text) for r in record.results] == [
        ("Vital signs", "Temperature: 38.4°C (101.1°F)\nBlood Pressure: 90/60 mmHg"),
        ("Physical examination: hand", "Inspection: Wasting"),
        ("Complete blood count", "Hemoglobin: 11.2 g/dL\nWBC: 7,300/mm3\nPlatelets: Normal"),
        ("Creatinine", "1.9 mg/dL (elevated)"),
        ("Odd Antibody", "Present"),
        ("Chest X-ray", "Clear.\nNo effusion."),
        ("Biopsy: Lymph Node", "Reactive."),
        ("Electrocardiogram", "Sinus rhythm"),
    ]


def test_numbers_where_they_stand_plainly():
    numbers = {v.code: (v.value, v.unit, v.flag) for r in one(row()).results for v in r.values}
    assert numbers == {
        "temperature": (38.4, "°C", "H"),
        "systolic_bp": (90.0, "mm[Hg]", "L"),
        "diastolic_bp": (60.0, "mm[Hg]", ""),
        "hb": (11.2, "g/dL", "L"),
        "wbc": (7300.0, "/mm3", ""),
        "creatinine": (1.9, "mg/dL", "H"),
    }


@pytest.mark.parametrize(
    ("who", "age", "sex"),
    [
        ("2-day-old male infant", 2 / 365.25, "male"),
        ("8-month-old boy", 8 / 12, "male"),
        ("Newborn, female", 0, "female"),
        ("32-year-old woman, gravida 2, with a 3-year-old son", 32, "female"),
        ("An adult", None, "unknown"),
    ],
)
def test_people(who, age, sex):
    record = one(row(Patient_Actor={**ACTOR, "Demographics": who}))
    assert record.age_years == (None if age is None else pytest.approx(age, abs=0.001))
    assert record.sex == sex


def test_the_same_row_has_the_same_id_and_counts_once():
    first, second = parse([row(), row()])
    assert one(row()).id == first.id
    assert isinstance(second, Rejection)
    assert "same record" in second.reason


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{oops", "not valid JSON"),
        ("[1]", "not a JSON object"),
        ("{}", "OSCE_Examination"),
        (b"\xff\xfe", "not UTF-8"),
        (row(Patient_Actor=[]), "Patient_Actor"),
        (row(Correct_Diagnosis=""), "Correct_Diagnosis is missing"),
        (row(Correct_Diagnosis={"a": None}), "Correct_Diagnosis is missing"),
        (row(Test_Results=None), "Test_Results is missing"),
        (row(Test_Results={}, Physical_Examination_Findings={}), "no examination results"),
        (row(Patient_Actor={**ACTOR, "History": ""}), "History is missing"),
        (row(Patient_Actor={**ACTOR, "History": "Has Hodgkin's lymphoma."}), "names the diagnosis"),
        (row(Patient_Actor={**ACTOR, "Past_Medical_History": "Hodgkin lymphoma 2019"}), "names the diagnosis"),
        (row(Patient_Actor={**ACTOR, "Symptoms": {"Primary_Symptom": "Elective cholecystectomy"}}), "procedure"),
    ],
)
def test_rejections(line, why):
    parsed = one(line)
    assert isinstance(parsed, Rejection)
    assert why in parsed.reason
    assert parsed.record == "line 1"


def test_nothing_a_line_says_raises():
    deep = json.dumps({"OSCE_Examination": {**json.loads(row())["OSCE_Examination"], "Test_Results": _nested(60)}})
    odd = [deep, row(Test_Results={"A": {"B": [1, {"C": 2}]}, "D": None}), "null", " ", "[" * 100_000]
    assert len(list(parse(odd))) == 4


def _nested(depth):
    return {"X": _nested(depth - 1)} if depth else "deep"
