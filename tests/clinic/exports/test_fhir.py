"""A bundle is valid R4B, loses nothing that the app shows, says who made what, and holds nothing simulated."""

import json
from pathlib import Path

import pytest
from django.utils import timezone
from fhir.resources.R4B.bundle import Bundle

from agents.records import fhir
from clinic.fhir import bundle_of
from clinic.models import CaseKind, Consultation
from clinic.note import note_of
from clinic.services import intake
from clinic.services.errors import Refused
from clinic.summary import summary_of
from tests.clinic import factories as make
from tests.clinic.exports.conftest import closed_consultation

FOLDER = Path(__file__).resolve().parents[4] / "shared/data/fhir"
GIVEN = sorted(FOLDER.glob("smart_r4_synthea/*.json"))
AI = "AIAST"


def resources(bundle: dict, kind: str) -> list[dict]:
    return [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]


def labels(resource: dict) -> set[str]:
    return {label["code"] for label in resource.get("meta", {}).get("security", [])}


def test_it_is_valid(summary):
    Bundle.model_validate(json.loads(json.dumps(bundle_of(summary))))


def test_every_reference_leads_to_a_resource(summary):
    text = json.dumps(bundle_of(summary))
    known = {entry["fullUrl"] for entry in json.loads(text)["entry"]}
    wanted = {part.split('"')[0] for part in text.split('"reference": "')[1:]}
    assert wanted <= known


def test_what_the_agent_said_is_labelled_and_nothing_else(summary):
    bundle = bundle_of(summary)
    labelled = {e["resource"]["resourceType"] for e in bundle["entry"] if AI in labels(e["resource"])}
    assert labelled == {"ServiceRequest", "ClinicalImpression", "Condition", "Provenance"}
    (only,) = [c for c in resources(bundle, "Condition") if AI in labels(c)]
    assert only["code"]["text"] == "Aortic dissection", "what a person has not decided is not a person's"
    (impression,) = resources(bundle, "ClinicalImpression")
    assert impression["finding"][0]["basis"] == "stated probability 60%; group likely; for: pleuritic pain"
    (device,) = resources(bundle, "Device")
    made = {target["reference"] for p in resources(bundle, "Provenance") if AI in labels(p) for target in p["target"]}
    kinds = ("ServiceRequest", "ClinicalImpression", "Condition")
    said = [r for k in kinds for r in resources(bundle, k) if AI in labels(r)]
    assert made == {f"urn:uuid:{r['id']}" for r in said}
    assert device["version"][0]["value"] == summary.consultation.model_version.version


def test_diagnoses_say_how_sure_they_are(summary):
    says = {
        c["code"]["text"]: c["verificationStatus"]["coding"][0]["code"]
        for c in resources(bundle_of(summary), "Condition")
        if "verificationStatus" in c
    }
    assert says == {
        "Acute coronary syndrome": "refuted",
        "Aortic dissection": "differential",
        "Pulmonary embolism": "provisional",
    }


def test_states_of_findings(summary):
    found = {o["code"]["text"]: o for o in resources(bundle_of(summary), "Observation")}
    assert found["Fever"]["valueBoolean"] is False
    assert found["Chest pain"]["valueBoolean"] is True
    assert found["Fainting"]["dataAbsentReason"]["coding"][0]["code"] == "unknown"


def test_reading_it_back_loses_nothing_that_is_shown(summary):
    case = summary.case
    back = fhir.case_of("again", bundle_of(summary))
    assert (back.age_years, back.sex, back.complaint) == (case.age_years, case.sex, case.complaint)
    for name in ("past", "drugs", "allergies", "hpi", "family", "social", "review"):
        assert back.history[name].split() == case.history[name].split()
    shown = {row.name: row for row in summary.results}
    read = {result.examination: result for result in back.results}
    assert read["Chest X-ray"].text == shown["Chest X-ray"].text
    (value,) = read["D-dimer"].values
    assert (value.value, value.unit, value.flag, value.low, value.high) == (0.9, "ug/mL", "H", 0.0, 0.5)


def test_simulated_results_stay_inside(db):
    case = make.make_case(kind=CaseKind.VIRTUAL)
    held = closed_consultation(case)
    make.make_simulated_result(held.turns.get(number=2), name="Troponin", text="SIMULATED-TROPONIN")
    summary = summary_of(held, at=timezone.now())
    bundle = bundle_of(summary)
    assert "SIMULATED-TROPONIN" not in json.dumps(bundle)
    assert all("HTEST" in labels(entry["resource"]) for entry in bundle["entry"])
    assert summary.left_out == 1


def test_a_proposal_is_completed_only_by_the_same_examination(summary):
    (request,) = resources(bundle_of(summary), "ServiceRequest")
    assert request["status"] == "completed"
    summary.turns[1].request = summary.turns[1].matched = "ECG"
    (request,) = resources(bundle_of(summary), "ServiceRequest")
    assert request["status"] == "draft"


def test_simulated_evidence_is_counted_and_not_quoted(db):
    held = closed_consultation(make.make_case(kind=CaseKind.VIRTUAL))
    entry = held.ledger.get(key="acs")
    entry.evidence = [{"name": "Troponin", "text": "SIMULATED 0.01", "source": "simulated"}]
    entry.save()
    summary = summary_of(held, at=timezone.now())
    assert "SIMULATED 0.01" not in json.dumps(bundle_of(summary)) + note_of(summary)
    assert "1 simulated fact, left out" in note_of(summary)


def test_what_was_invented_comes_back_as_practice_only(db):
    held = closed_consultation(make.make_case(kind=CaseKind.VIRTUAL))
    bundle = json.dumps(bundle_of(summary_of(held, at=timezone.now())))
    draft = intake.import_bundle(by=held.clinician, content=bundle.encode())
    assert (draft.fields["kind"], draft.fields["identifier"]) == ("virtual", "")
    intake.confirm_shown(draft=draft, by=held.clinician, proposals=[entry["id"] for entry in draft.proposals])
    facts = {
        "kind": "patient",
        "complaint": "x",
        "age_years": 40.0,
        "sex": "female",
        "identifier": "MRN",
        "history": {},
    }
    with pytest.raises(Refused, match="practice bundle"):
        intake.submit(draft=draft, by=held.clinician, facts=facts, vitals=[])


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled"])
def test_a_withdrawn_result_is_not_read(summary, status):
    bundle = bundle_of(summary)
    for observation in resources(bundle, "Observation"):
        observation["status"] = status
    assert fhir.case_of("x", bundle).results == ()


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 10**400])
def test_a_number_that_is_none_is_left_out(summary, number):
    bundle = bundle_of(summary)
    for observation in resources(bundle, "Observation"):
        if "valueQuantity" in observation:
            observation["valueQuantity"]["value"] = number
    assert all(not result.values for result in fhir.case_of("x", bundle).results)


def test_the_same_rows_give_the_same_bundle(summary):
    assert bundle_of(summary) == bundle_of(summary)


@pytest.mark.shared
@pytest.mark.skipif(not GIVEN, reason="the shared FHIR samples are not on this machine")
@pytest.mark.parametrize("file", GIVEN, ids=lambda path: path.stem[:12])
def test_a_given_bundle_comes_in_and_goes_out_whole(file, db):
    """In through the intake with everything confirmed, out through the validator, and in again."""
    by = make.make_user()
    draft = intake.import_bundle(by=by, content=file.read_bytes(), name=file.stem)
    intake.confirm_shown(draft=draft, by=by, proposals=[entry["id"] for entry in draft.proposals])
    typed = draft.fields
    history = {key: typed[key] for key in intake.SECTIONS if typed.get(key)}
    age = float(typed["age_years"] or 40)
    facts = {"kind": "virtual", "complaint": typed["complaint"] or "Review", "age_years": age, "sex": typed["sex"],
             "identifier": "", "history": history}  # fmt: skip
    case = intake.submit(draft=draft, by=by, facts=facts, vitals=[])
    held = Consultation.objects.select_related("case__patient", "clinician", "model_version").get(
        pk=make.make_consultation(case=case, clinician=by).pk
    )
    bundle = json.loads(json.dumps(bundle_of(summary_of(held, at=timezone.now()))))
    Bundle.model_validate(bundle)
    first, again = fhir.case_of("first", json.loads(file.read_bytes())), fhir.case_of("again", bundle)
    assert again.history == first.history
    assert len(again.results) >= len(first.results)
    values = {(v.name, v.value, v.unit) for result in first.results for v in result.values}
    assert values <= {(v.name, v.value, v.unit) for result in again.results for v in result.values}
