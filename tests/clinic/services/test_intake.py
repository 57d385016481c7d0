"""An intake is saved as typed, its findings wait to be confirmed, and a case is made of what was confirmed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinic.models import Case, Finding, FindingSource, IntakeDraft, Role
from clinic.services import intake
from clinic.services.errors import Refused
from tests.clinic import factories as make

pytestmark = pytest.mark.django_db
NOTE = "Pleuritic chest pain since yesterday, no fever. HR 112, SpO2 91%. Father had a DVT."
FACTS = {
    "kind": "virtual",
    "complaint": "Chest pain",
    "age_years": 40.0,
    "sex": "female",
    "identifier": "",
    "history": {},
}


@pytest.fixture
def by():
    return make.make_user()


@pytest.fixture
def draft(by):
    return intake.save(by=by, fields={"complaint": "Chest pain"})


def entries(draft: IntakeDraft) -> dict[str, dict]:
    draft.refresh_from_db()
    return {entry["code"]: entry for entry in draft.proposals}


def test_it_is_kept_as_typed(by, draft):
    intake.save(by=by, draft=draft, fields={"age_years": "forty", "hpi": " <b>sharp</b>"})
    draft.refresh_from_db()
    assert draft.fields == {"complaint": "Chest pain", "age_years": "forty", "hpi": " <b>sharp</b>"}


def test_a_note_is_proposed_and_never_taken(by, draft):
    assert intake.read_note(draft=draft, by=by, note=NOTE) == 5
    found = entries(draft)
    assert (found["chest_pain"]["state"], found["fever"]["state"]) == ("present", "absent")
    assert found["spo2"]["values"][0]["value"] == 91
    assert {entry["decision"] for entry in found.values()} == {"pending"}
    with pytest.raises(Refused, match="still wait"):
        intake.submit(draft=draft, by=by, facts=FACTS, vitals=[])
    assert not Case.objects.exists()
    assert not Finding.objects.exists()


def test_reading_again_keeps_what_was_decided(by, draft):
    intake.read_note(draft=draft, by=by, note=NOTE)
    fever = entries(draft)["fever"]["id"]
    intake.decide(draft=draft, by=by, proposal=fever, decision="confirmed", state="present")
    assert intake.read_note(draft=draft, by=by, note=NOTE) == 0
    assert entries(draft)["fever"]["state"] == "present"


def test_only_what_was_confirmed_becomes_a_finding(by, draft):
    intake.read_note(draft=draft, by=by, note=NOTE)
    found = entries(draft)
    intake.decide(draft=draft, by=by, proposal=found["chest_pain"]["id"], decision="confirmed")
    intake.decide(draft=draft, by=by, proposal=found["fever"]["id"], decision="confirmed")
    intake.decide(draft=draft, by=by, proposal=found["pleuritic_pain"]["id"], decision="dismissed")
    intake.decide(draft=draft, by=by, proposal=found["heart_rate"]["id"], decision="dismissed")
    intake.decide(draft=draft, by=by, proposal=found["spo2"]["id"], decision="confirmed")
    intake.add_finding(draft=draft, by=by, code="syncope", state="unknown")
    case = intake.submit(draft=draft, by=by, facts=FACTS, vitals=[])
    rows = {row.code: row for row in case.findings.all()}
    assert {code: row.state for code, row in rows.items() if code != "spo2"} == {
        "chest_pain": "present",
        "fever": "absent",
        "syncope": "unknown",
    }
    assert rows["spo2"].values[0]["value"] == 91
    assert {row.source for row in rows.values()} == {FindingSource.ENTERED}
    with pytest.raises(Refused, match="no longer open"):
        intake.save(by=by, draft=draft, fields={})


def test_confirming_all_confirms_only_what_was_shown(by, draft):
    intake.read_note(draft=draft, by=by, note=NOTE)
    shown = entries(draft)["fever"]["id"]
    intake.confirm_shown(draft=draft, by=by, proposals=[shown, "somebody-elses"])
    assert {code for code, entry in entries(draft).items() if entry["decision"] == "confirmed"} == {"fever"}


def test_a_draft_is_its_typist_s_alone(draft):
    with pytest.raises(Refused, match="no longer open"):
        intake.save(by=make.make_user(site=draft.site), draft=draft, fields={"complaint": "Mine"})


def test_who_may_not_enter_cases_opens_no_draft():
    with pytest.raises(Refused, match="clinicians and administrators"):
        intake.save(by=make.make_user(Role.ANNOTATOR), fields={})


BUNDLE = {
    "resourceType": "Bundle",
    "entry": [
        {
            "resource": {
                "resourceType": "Patient",
                "gender": "female",
                "birthDate": "1980-05-01",
                "identifier": [{"value": "MRN-9"}],
            }
        },
        {"resource": {"resourceType": "AllergyIntolerance", "code": {"text": "Penicillin"}}},
        {
            "resource": {
                "resourceType": "Observation",
                "code": {"text": "Potassium"},
                "effectiveDateTime": "2026-01-02",
                "valueQuantity": {"value": 5.9, "unit": "mmol/L"},
            }
        },
    ],
}


def test_a_bundle_fills_the_form_and_its_results_wait(by):
    draft = intake.import_bundle(by=by, content=json.dumps(BUNDLE).encode())
    assert draft.fields["allergies"] == "Penicillin"
    assert draft.fields["identifier"] == "MRN-9"
    assert draft.fields["complaint"] == ""
    assert [(p["name"], p["decision"]) for p in draft.proposals] == [("Potassium", "pending")]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"resourceType": "Patient"}', b'{"resourceType": "Bundle"}', b"\xff\xfe"]
)
def test_what_is_no_bundle_is_refused_with_a_sentence(by, content):
    with pytest.raises(Refused, match="othing was imported"):
        intake.import_bundle(by=by, content=content)
    assert not IntakeDraft.objects.exists()


@given(st.text(max_size=30))
def test_suggestions_answer_any_text(typed):
    assert len(intake.suggestions(typed)) <= intake.SUGGESTED


@pytest.mark.parametrize(
    ("typed", "code"), [("leg sw", "leg_swelling_unilateral"), ("haemopt", "hemoptysis"), ("fev", "fever")]
)
def test_suggestions_begin_as_typed(typed, code):
    assert code in [finding.id for finding in intake.suggestions(typed)]
