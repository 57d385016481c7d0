"""Rows from imported records: MedR-Bench and AgentClinic, eICU tables, FHIR bundles; small files written here."""

import csv
import json

import pytest

from agents.records.base import Rejection
from training.worlds import sources
from training.worlds.panels import Item, grouped
from training.worlds.rows import Row

EICU = {
    "patient.csv": [
        {"patientunitstayid": "1", "uniquepid": "9", "gender": "Female", "age": "71", "unittype": "MICU",
         "unitadmitsource": "Emergency Department"},
        {"patientunitstayid": "2", "uniquepid": "9", "gender": "Female", "age": "71", "unittype": "MICU",
         "unitadmitsource": "Floor"},
    ],
    "lab.csv": [
        {"patientunitstayid": "1", "labresultoffset": offset, "labname": name, "labresult": number,
         "labresulttext": text, "labmeasurenamesystem": unit}
        for offset, name, number, text, unit in (
            ("30", "potassium", "4.4", "4.4", "mmol/L"), ("-60", "potassium", "5.9", "5.9", "mmol/L"),
            ("-60", "sodium", "131", "131", "mmol/L"), ("-60", "creatinine", "2.1", "2.1", "mg/dL"),
            ("-60", "BUN", "44", "44", "mg/dL"), ("-60", "PT", "14", "14", "sec"),
            ("-60", "CRP", "1148", "114.8", "mg/dL"), ("-2000", "lactate", "4", "4", "mmol/L"),
        )
    ],
    "physicalExam.csv": [
        {"patientunitstayid": "1", "physicalexamoffset": "20", "physicalexamtext": "present",
         "physicalexampath": "notes/Progress Notes/Physical Exam/Physical Exam/Pulmonary/Auscultation/rhonchi"},
    ],
    "diagnosis.csv": [
        {"patientunitstayid": "1", "diagnosisoffset": "60", "diagnosisstring": "infectious diseases|systemic|sepsis",
         "icd9code": "A41.9", "diagnosispriority": "Primary"},
    ],
}  # fmt: skip
REF = {"reference": "Encounter/e1"}
PLATELETS = {"text": "Platelets [#/volume]", "coding": [{"system": "http://loinc.org", "code": "777-3"}]}


def _made(wanted):
    return list(sources.rows(wanted))


def _observation(name, value, unit, when, **other):
    return {"resource": {"resourceType": "Observation", "code": {"text": name}, "effectiveDateTime": when,
            "valueQuantity": {"value": value, "unit": unit}, **other}}  # fmt: skip


@pytest.fixture
def eicu(tmp_path):
    for name, lines in EICU.items():
        with (tmp_path / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, lines[0])
            writer.writeheader()
            writer.writerows(lines)
    return tmp_path


@pytest.fixture
def bundle(tmp_path):
    entries = [
        {"resource": {"resourceType": "Patient", "id": "p1", "birthDate": "1980-02-01", "gender": "male"}},
        {"resource": {"resourceType": "Encounter", "id": "e1", "period": {"start": "2024-05-01T10:00:00Z"},
                      "reasonCode": [{"text": "Swollen leg"}]}},
        {"resource": {"resourceType": "Condition", "code": {"text": "Deep vein thrombosis"}, "encounter": REF,
                      "onsetDateTime": "2024-05-01T10:00:00Z"}},
        {"resource": {"resourceType": "Condition", "code": {"text": "Asthma"}, "onsetDateTime": "2001-01-01"}},
        _observation("Heart rate", 99, "/min", "2024-05-01T10:05:00Z"),
        _observation("D-dimer", 3.25, "mg/L", "2024-05-01T11:00:00Z"),
        _observation("D-dimer", 1.5, "mg/L", "2024-05-01T18:00:00Z"),
        _observation("", 210, "10*3/uL", "2024-05-01T11:00:00Z", code=PLATELETS),
        _observation("Sodium", 140, "mmol/L", "2019-05-01T11:00:00Z"),
        _observation("Tobacco smoking status", 1, "", "2024-05-01T10:00:00Z",
                     category=[{"coding": [{"code": "social-history"}]}]),
    ]  # fmt: skip
    path = tmp_path / "bundle.json"
    path.write_text(json.dumps({"resourceType": "Bundle", "entry": entries}))
    return path


def test_an_icu_stay_has_first_results_of_its_window_in_panels(eicu):
    row, rejected = _made(sources.Wanted("eicu", eicu))
    assert rejected == Rejection("eicu-2", "no primary diagnosis")
    assert row.patient == "eicu-9"
    assert [event.name for event in row.groups[0]] == ["Pulmonary examination"]
    found = {event.name: event.result for event in row.groups[1]}
    assert "Potassium: Value: 5.9; Numeric Value: 5.9; Units: mmol/L" in found["Basic metabolic panel"]
    assert "Urea nitrogen: Value: 44" in found["Basic metabolic panel"]
    assert found["PT"] == "Value: 14; Numeric Value: 14.0; Units: sec"  # seconds are no INR
    assert found["C-reactive protein"] == "Value: 114.8; Numeric Value: 114.8; Units: mg/dL"
    assert not any("actate" in event.name for event in row.events)


def test_a_bundle_gives_the_encounter_that_made_a_diagnosis(bundle):
    (row,) = _made(sources.Wanted("fhir", bundle))
    assert isinstance(row, Row)
    assert row.access == "credentialed"
    assert row.diagnosis == "Deep vein thrombosis"
    assert "Swollen leg" in row.profile
    assert "Asthma" in row.profile
    assert row.profile.count("Deep vein thrombosis") == 1
    assert [[event.name for event in group] for group in row.groups] == [["Heart rate"], ["D-dimer", "Platelets"]]
    assert row.groups[1][0].result == "Value: 3.25; Numeric Value: 3.25; Units: mg/L"


def test_a_bundle_is_public_only_when_someone_says_so(bundle):
    (row,) = _made(sources.Wanted("fhir", bundle, access="public"))
    assert row.access == "public"


def test_a_bundle_without_a_diagnosis_is_rejected(bundle):
    data = json.loads(bundle.read_text())
    data["entry"] = [one for one in data["entry"] if one["resource"]["resourceType"] != "Condition"]
    bundle.write_text(json.dumps(data))
    assert _made(sources.Wanted("fhir", bundle)) == [Rejection("bundle", "no encounter with a diagnosis of its own")]


def test_a_case_report_has_its_body_first(tmp_path):
    line = {"id": "r1", "patient": "A 40-year-old woman.", "chief_complaint": "Red eye.", "hpi": "For two days.",
            "physical_exam": "Ciliary injection.", "ancillary_tests": ["Chest X-ray: Clear.", "ESR: 40 mm/h"],
            "diagnosis": "Anterior uveitis"}  # fmt: skip
    path = tmp_path / "cases.jsonl"
    path.write_text(json.dumps(line) + "\n" + json.dumps({**line, "id": "r2", "hpi": "Anterior uveitis again."}) + "\n")
    row, rejected = _made(sources.Wanted("medrbench", path))
    names = [[event.name for event in group] for group in row.groups]
    assert names == [["Physical examination"], ["Chest X-ray", "Erythrocyte sedimentation rate"]]
    assert row.access == "public"
    assert "names the diagnosis" in rejected.reason


def test_a_split_can_be_given_for_a_whole_file(bundle):
    (row,) = _made(sources.Wanted("fhir", bundle, split="test"))
    assert row.split == "test"


def test_items_of_a_panel_stand_where_its_first_stood():
    items = [
        Item("CRP", "9", "crp"),
        Item("TSH", "2", "tsh"),
        Item("Ferritin", "3", "ferritin"),
        Item("T4", "1", "free_t4"),
    ]
    events = list(grouped(items))
    assert [event.name for event in events] == ["C-reactive protein", "Thyroid function tests", "Ferritin"]
    assert events[1].result.splitlines()[0].endswith(": 2")


def test_a_panel_is_not_given_twice():
    items = [Item("TSH", "2", "tsh"), Item("T4", "1", "free_t4")]
    assert len(list(grouped(items, frozenset(["Thyroid function tests"])))) == 2
