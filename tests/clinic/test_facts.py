"""What is known about a case is read from its rows: coded, measured, reported; with its source, and never undone."""

from __future__ import annotations

import pytest
from django.utils import timezone

from clinic.fact_texts import complaint_groups, read_text
from clinic.facts import read_facts
from clinic.measures import exam_of, in_catalogue_unit
from clinic.models import CaseKind, Consultation
from tests.clinic.factories import make_case, make_consultation, make_finding, make_simulated_result, make_turn

pytestmark = pytest.mark.django_db


@pytest.fixture
def room() -> Consultation:
    history = {"hpi": "No vomiting.", "family": "Father had a stroke.", "drugs": "Warfarin", "allergies": "Penicillin"}
    case = make_case(complaint="Chest pain", history=history, sheet=[])
    return make_consultation(case=case)


def value(name: str, number: float, unit: str) -> dict:
    return {"name": name, "code": "", "value": number, "unit": unit, "flag": "", "low": None, "high": None}


def test_a_confirmed_code_counts_more_than_later_words(room) -> None:
    make_finding(room.case, name="Fever", code="fever", state="present", text="39 degrees", values=[])
    turn = make_turn(room, text="No fever.", source="entered")
    make_finding(room.case, consultation=room, turn=turn, name="Course", text="No fever.", values=[])
    fever = read_facts(room).coded["fever"]
    assert (fever.value, fever.state, fever.quote, fever.coded) == (True, "present", "39 degrees", True)


@pytest.mark.parametrize("state", ["absent", "unknown"])
def test_a_danger_that_appears_later_counts_whatever_was_confirmed_before(room, state) -> None:
    make_finding(room.case, name="Coughing up blood", code="hemoptysis", state=state, text=state, values=[])
    make_turn(room, "clinician", text="Coughed up blood since noon.")
    assert read_facts(room).coded["hemoptysis"].value is True


def test_a_later_measurement_replaces_the_one_of_the_intake(room) -> None:
    pressure = {"code": "systolic_bp", "name": "Systolic blood pressure", "value": 130.0, "unit": "mm[Hg]"}
    make_finding(room.case, name="Systolic blood pressure", code="systolic_bp", text="130 mmHg", values=[pressure])
    make_turn(room, "clinician", text="BP is now 70/40, clammy.")
    assert read_facts(room).values["systolic_bp"].value == 70


def test_a_doubt_takes_nothing_back(room) -> None:
    make_turn(room, "clinician", text="She fainted twice.")
    make_turn(room, "clinician", text="Possible syncope reported.")
    assert read_facts(room).coded["syncope"].value is True


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("Not needed: Do you have neck stiffness?. Already known.", "Do you have neck stiffness?"),
        ("Not needed: Neck stiffness. Would not change what I do.", "Neck stiffness"),
        ("My differential: Meningitis with stiff neck 40 %.", ""),
        ("Should I look for a stiff neck?", ""),
    ],
)
def test_the_agent_s_words_and_questions_are_no_facts(room, text, request_) -> None:
    make_turn(room, "clinician", text=text, request=request_)
    assert "neck_stiffness_symptom" not in read_facts(room).coded
    assert "neck_stiffness" not in read_facts(room).coded


def test_an_unknown_finding_is_known_to_be_unknown(room) -> None:
    make_finding(room.case, name="Fever", code="fever", state="unknown", text="", values=[])
    facts = read_facts(room)
    assert facts.coded["fever"].state == "unknown"
    assert "fever" not in facts.mapping()


def test_the_latest_words_count_and_carry_their_turn(room) -> None:
    for words in ("No cough.", "Coughing up blood since this morning."):
        turn = make_turn(room, text=words, source="entered")
        make_finding(room.case, consultation=room, turn=turn, source="entered", name="Cough?", text=words, values=[])
    blood = read_facts(room).coded["hemoptysis"]
    assert (blood.value, blood.turn, blood.quote, blood.source) == (True, 2, words, "entered")


def test_values_are_converted_through_the_catalogue(room) -> None:
    turn = make_turn(room, "environment", source="entered")
    values = [value("Glucose", 2.5, "mmol/L"), value("Temperature", 101.3, "°F"), value("Potassium", 7.1, "mEq/L")]
    values += [value("Sodium", 131, "bananas"), value("Creatinine", 200, "")]
    make_finding(room.case, consultation=room, turn=turn, name="Bloods", text="", values=values)
    known = read_facts(room).values
    assert known["glucose"].value == pytest.approx(45.04, abs=0.1)
    assert known["temperature"].value == pytest.approx(38.5)
    assert known["potassium"].value == pytest.approx(7.1)
    assert known["glucose"].quote == "Glucose 2.5 mmol/L"
    assert "sodium" not in known  # an unknown unit is no number
    assert "creatinine" not in known  # two units are in use: nobody knows which was meant


@pytest.mark.parametrize(
    ("name", "text", "result"),
    [
        ("beta-hCG", "positive", ("hcg", "positive")),
        ("Pregnancy test", "Pregnancy test negative.", ("hcg", "negative")),
        ("Chest X-ray", "Report: Right apical pneumothorax with visible pleural edge.", ("chest_xray", "pneumothorax")),
        ("Chest X-ray", "Poor film, repeat.", ("chest_xray", None)),
    ],
)
def test_reports_become_categorical_results(room, name, text, result) -> None:
    make_finding(room.case, name=name, text=text, values=[])
    found = read_facts(room).results.get(result[0])
    assert (found.value if found else None) == result[1]


def test_what_was_undone_is_not_known(room) -> None:
    now = timezone.now()
    make_finding(room.case, name="Fever", code="fever", text="fever", values=[], retracted_at=now)
    turn = make_turn(room, text="Fainted on exertion.", retracted_at=now)
    make_simulated_result(turn, text="Oxygen saturation: 80 %", retracted_at=now)
    facts = read_facts(room)
    assert not {"fever", "syncope", "exertional_syncope", "spo2"} & set(facts.mapping())


def test_simulated_and_real_are_told_apart(room) -> None:
    turn = make_turn(room, "environment", source="simulated")
    simulated = make_simulated_result(turn, name="Vital signs", text="Oxygen saturation: 88 %")
    real = make_finding(room.case, name="Pulse", text="Pulse 120 /min", values=[], source="entered")
    values = read_facts(room).values
    assert (values["spo2"].source, values["spo2"].row) == ("simulated", f"s{simulated.pk}")
    assert (values["heart_rate"].source, values["heart_rate"].row) == ("entered", f"f{real.pk}")


def test_the_history_of_a_real_patient_was_entered() -> None:
    case = make_case(kind=CaseKind.PATIENT, complaint="Chest pain", history={"hpi": "Sweating."})
    assert read_facts(make_consultation(case=case)).coded["sweating"].source == "entered"


def test_relatives_are_other_people(room) -> None:
    assert "stroke" not in read_facts(room).text


def test_a_message_is_read_and_a_question_to_the_patient_is_not(room) -> None:
    make_turn(room, "clinician", text="Any chest pain or fever")
    make_turn(room, "patient", text="I'm not sure about that.", source="simulated")
    make_turn(room, "clinician", text="BP 84/50 now, he looks clammy.")
    facts = read_facts(room)
    assert "fever" not in facts.coded
    assert (facts.values["systolic_bp"].value, facts.values["systolic_bp"].row) == (84.0, "t3")


def test_the_complaint_names_its_groups() -> None:
    assert complaint_groups("Chest pain and shortness of breath since noon") == ("chest_pain", "dyspnea")
    assert complaint_groups("Anything", "headache") == ("headache",)
    assert complaint_groups("A broken toe") == ()
    assert complaint_groups("No fever, but a headache") == ("headache",)


def test_words_of_the_virtual_clinic_are_read_as_they_were_meant() -> None:
    found = {read.id: read.value for read in read_text("Abdominal examination: Abdomen soft, no guarding. No mass.")}
    assert found["guarding_rigidity"] is False
    assert found["abdominal_mass"] is False


def test_a_misspelt_examination_is_not_guessed() -> None:
    assert exam_of({"name": "Potasium-ish thing", "code": ""}) is None
    lactate = exam_of({"name": "", "code": "2524-7"})
    assert lactate is not None
    assert lactate.analyte is not None
    assert in_catalogue_unit(lactate.analyte, 4.0, "mmol/L") == 4.0
