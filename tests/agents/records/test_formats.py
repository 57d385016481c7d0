"""The parsers of outside formats on small rows of our own, and on hostile ones."""

import json
from pathlib import Path

import pytest

from agents.records import (
    FORMATS,
    Rejection,
    UnreadableFile,
    avey,
    diagbench,
    healthbench,
    licence,
    mediq,
    primock57,
    read,
)
from agents.records.base import age_in, leaks, sex_in
from agents.types import CaseRecord

AVEY = {
    "id": "a-1",
    "correct_diagnosis": "Renal colic",
    "demographics": "41 year old Male",
    "chief_complaints": "Flank pain",
    "presentation": "Sudden pain in the left side going to the groin.",
    "absent_findings": "No fever",
    "physical_history": "",
}
MEDIQ = {
    "id": 7,
    "question": "Which is most likely?",
    "context": ["A 30-year-old woman has a rash.", "It itches."],
    "options": {"A": "Eczema", "B": "Psoriasis"},
    "answer": "Psoriasis",
    "answer_idx": "B",
    "facts": ["1. The patient is 30.", "2. The rash itches."],
    "patient": {"age": "30 years", "gender": "female"},
}
HEALTHBENCH = {
    "prompt_id": "h-1",
    "prompt": [{"role": "user", "content": "My chest hurts."}],
    "rubrics": [
        {"criterion": "Advises emergency care", "points": 9, "tags": ["axis:completeness", "level:example"]},
        {"criterion": "Reassures without questions", "points": -8, "tags": ["axis:accuracy"]},
    ],
    "canary": "c",
}
PRIMOCK = {
    "id": "p-1",
    "presenting_complaint": "My knee is swollen",
    "clinician_note": "52 yo man.\nImp: gout\n",
    "transcript": [{"t": 1.5, "speaker": "doctor", "text": "Hello"}],
    "physician_checklist": [{"section": "PC", "item": "swollen knee", "depth": 0, "weight": "critical"}],
}


def lines(*rows: object) -> list[str]:
    return [json.dumps(row) for row in rows]


def only(parsed: object) -> CaseRecord:
    (record,) = list(parsed)
    assert isinstance(record, CaseRecord), record
    return record


def reason(parsed: object) -> str:
    (rejection,) = list(parsed)
    assert isinstance(rejection, Rejection), rejection
    return rejection.reason


def test_avey_keeps_absent_findings_apart() -> None:
    record = only(avey.parse(lines(AVEY)))
    assert (record.age_years, record.sex, record.answer) == (41, "male", "Renal colic")
    assert record.history == {"hpi": AVEY["presentation"], "review": "No fever"}


def test_a_presentation_that_names_its_diagnosis_is_rejected() -> None:
    leaking = AVEY | {"presentation": "He has renal-colic again."}
    assert "names the diagnosis" in reason(avey.parse(lines(leaking)))


def test_mediq_keeps_options_and_facts_from_the_history() -> None:
    record = only(mediq.parse(lines(MEDIQ)))
    assert record.complaint == MEDIQ["context"][0]
    assert record.extra["facts"] == ["The patient is 30.", "The rash itches."]
    assert "Psoriasis" not in json.dumps(record.history)


def test_mediq_answer_must_be_the_option_it_names() -> None:
    assert "not option A" in reason(mediq.parse(lines(MEDIQ | {"answer_idx": "A"})))


def test_healthbench_keeps_signs_and_forbids_training() -> None:
    record = only(healthbench.parse(lines(HEALTHBENCH)))
    assert [criterion["points"] for criterion in record.extra["criteria"]] == [9, -8]
    assert record.extra["criteria"][0]["axis"] == "completeness"
    assert record.extra["never_train"] is True
    assert "canary" in licence("healthbench")


@pytest.mark.parametrize("points", [11, -11, None, "9", True, 2.5])
def test_healthbench_refuses_points_that_are_none(points: object) -> None:
    row = HEALTHBENCH | {"rubrics": [{"criterion": "x", "points": points}]}
    assert "criterion 1" in reason(healthbench.parse(lines(row)))


def test_primock_reads_impression_and_critical_items() -> None:
    record = only(primock57.parse(lines(PRIMOCK)))
    assert (record.answer, record.age_years) == ("gout", 52)
    assert record.extra["checklist"][0]["critical"] is True


def test_primock_refuses_an_unknown_weight() -> None:
    row = PRIMOCK | {"physician_checklist": [{"item": "x", "weight": "important"}]}
    assert "neither critical" in reason(primock57.parse(lines(row)))


SUMMARY = "- **Patient Information:** 61-year-old woman\n- **Chief Complaint:** Fever\n- **Family History:** none"
DIAGBENCH = {
    "case_summary": SUMMARY,
    "final_diagnosis": "Cholangitis",
    "recommended_exam_names": ["Bilirubin"],
    "key_pertinent_results_dict": {"Bilirubin": "3.1 mg/dL"},
    "rubric": [{"description": "Orders ultrasound", "weight": 9}],
    "surprise": 1,
}


@pytest.mark.parametrize("document", [{"note-1": DIAGBENCH}, [DIAGBENCH | {"note_id": "note-1"}]])
def test_diagbench_as_dict_or_list_reports_what_it_could_not_map(tmp_path: Path, document: object) -> None:
    file = tmp_path / "bench.json"
    file.write_text(json.dumps(document))
    record = only(diagbench.read(file))
    assert (record.id, record.age_years, record.sex) == ("note-1", 61, "female")
    assert (record.complaint, record.history) == ("Fever", {"family": "none"})
    assert record.results[0].text == "3.1 mg/dL"
    assert record.extra["criteria"] == [{"text": "Orders ultrasound", "points": 9, "unmapped": []}]
    assert record.extra["unmapped"] == ["surprise"]


def test_ddxplus_reads_codes_and_values_in_words(tmp_path: Path) -> None:
    evidences = {
        "E_1": {"question_en": "Do you cough?", "is_antecedent": False, "value_meaning": {}},
        "E_2": {"question_en": "Where does it hurt?", "value_meaning": {"V_9": {"en": "chest"}}},
        "E_3": {"question_en": "Do you smoke?", "is_antecedent": True, "value_meaning": {}},
    }
    conditions = {"Bronchite": {"cond-name-fr": "Bronchite", "cond-name-eng": "Bronchitis", "icd10-id": "J20"}}
    (tmp_path / "release_evidences.json").write_text(json.dumps(evidences))
    (tmp_path / "release_conditions.json").write_text(json.dumps(conditions))
    table = tmp_path / "patients.csv"
    table.write_text(
        "OriginalRowKey,AGE,SEX,PATHOLOGY,EVIDENCES,INITIAL_EVIDENCE\n"
        "1,40,F,Bronchite,\"['E_1', 'E_2_@_V_9', 'E_3']\",E_1\n"
        "2,40,F,Bronchite,\"__import__('os').getcwd()\",E_1\n"
        "3,40,F,Bronchite,\"['E_77']\",E_1\n"
        "4,40,F\n"
    )
    record, code, unknown, cut = list(read("ddxplus", table))
    assert isinstance(record, CaseRecord)
    assert record.answer == "Bronchitis"
    assert record.history["review"] == "Do you cough? Yes\nWhere does it hurt? chest"
    assert record.history["past"] == "Do you smoke? Yes"
    assert [r.reason[:24] for r in (code, unknown, cut)] == [
        "EVIDENCES is not a list,",
        "unknown evidence 'E_77'",
        "fewer cells than columns",
    ]


def test_fhir_maps_what_a_case_is_made_of_and_counts_the_rest(tmp_path: Path) -> None:
    loinc = {"coding": [{"system": "http://loinc.org", "code": "2951-2", "display": "Sodium"}]}
    resources = [
        {"resourceType": "Patient", "id": "p", "gender": "male", "birthDate": "1960-06-01"},
        {"resourceType": "Encounter", "period": {"start": "2020-07-01T10:00:00Z"}, "reasonCode": [{"text": "Cough"}]},
        {"resourceType": "Condition", "code": {"text": "Gout"}},
        {"resourceType": "Observation", "code": loinc, "effectiveDateTime": "2020-07-01",
         "valueQuantity": {"value": 128, "unit": "mmol/L"}, "referenceRange": [{"low": {"value": 135}}]},
        {"resourceType": "Claim"},
    ]  # fmt: skip
    file = tmp_path / "bundle.json"
    file.write_text(json.dumps({"resourceType": "Bundle", "entry": [{"resource": r} for r in resources]}))
    record = only(read("fhir", file))
    assert (record.age_years, record.sex, record.complaint, record.history) == (60, "male", "Cough", {"past": "Gout"})
    value = record.results[0].values[0]
    assert (value.code, value.value, value.unit, value.flag) == ("2951-2", 128, "mmol/L", "L")
    assert record.extra["not_read"] == {"Claim": 1}


def test_eicu_takes_the_first_of_each_examination_within_a_day(tmp_path: Path) -> None:
    (tmp_path / "patient.csv").write_text(
        "patientunitstayid,uniquepid,gender,age,unittype,unitadmitsource\n9,u,Female,> 89,MICU,Emergency Department\n"
    )
    (tmp_path / "lab.csv").write_text(
        "patientunitstayid,labresultoffset,labname,labresult,labresulttext,labmeasurenamesystem\n"
        "9,60,sodium,130,130,mmol/L\n9,10,sodium,128,128,mmol/L\n9,5000,lactate,4,4,mmol/L\n"
    )
    (tmp_path / "physicalExam.csv").write_text(
        "patientunitstayid,physicalexamoffset,physicalexampath,physicalexamtext\n"
        "9,5,notes/Progress Notes/Physical Exam/Physical Exam/Pulmonary/Breath sounds/crackles,bilateral\n"
    )
    (tmp_path / "diagnosis.csv").write_text(
        "patientunitstayid,diagnosisoffset,diagnosisstring,icd9code,diagnosispriority\n"
        "9,20,pulmonary|infections|pneumonia,486,Primary\n"
    )
    record = only(read("eicu", tmp_path))
    assert (record.age_years, record.answer) == (90, "pneumonia")
    assert [(r.examination, r.text) for r in record.results] == [
        ("Pulmonary examination", "crackles: bilateral"),
        ("sodium", "128 mmol/L"),
    ]


LINE_FORMATS = ("agentclinic", "avey", "healthbench", "medrbench", "mediq", "primock57")
HOSTILE = {
    "cut off": b'{"id": "x", "prompt": [',
    "a list": b"[1, 2]",
    "null": b"null",
    "bytes": b"\xff\xfe\x00{",
    "deep": b"[" * 100_000,
    "huge": b'{"id": "' + b"x" * 4_100_000 + b'"}',
    "empty object": b"{}",
    "wrong types": b'{"id": 3, "prompt": 7, "rubrics": {}, "context": "x", "options": [], "transcript": 1}',
    "markup": b'{"id": "<script>alert(1)</script>"}',
}


@pytest.mark.parametrize("name", LINE_FORMATS)
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_line_is_one_rejection_with_a_reason(tmp_path: Path, name: str, kind: str) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(HOSTILE[kind] + b"\n")
    (rejection,) = list(read(name, file))
    assert isinstance(rejection, Rejection)
    assert rejection.reason


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in LINE_FORMATS])
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_document_is_a_sentence_or_rejections(tmp_path: Path, name: str, kind: str) -> None:
    file = tmp_path / "file.json"
    file.write_bytes(HOSTILE[kind])
    outcome = sentence_or_records(name, file)
    assert outcome.endswith(".") if isinstance(outcome, str) else all(isinstance(item, Rejection) for item in outcome)


def sentence_or_records(name: str, file: Path) -> str | list[object]:
    try:
        return list(read(name, file))
    except UnreadableFile as error:
        return str(error)


@pytest.mark.parametrize("name", FORMATS)
def test_a_missing_file_is_a_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnreadableFile, match="There is no file"):
        list(read(name, tmp_path / "absent"))


def test_an_unknown_format_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="agentclinic"):
        list(read("mimic", tmp_path))


def test_ages_and_sexes_are_read_not_guessed() -> None:
    assert age_in("A 56-year-old") == 56
    assert age_in("an 8 months old girl") == 0.67
    assert age_in("seen in 2020") is None
    assert sex_in("a woman and her man") == "female"
    assert sex_in("the patient") == "unknown"


def test_a_leak_is_a_whole_phrase() -> None:
    assert leaks("Gout", ["has GOUT now"]) == "Gout"
    assert leaks("Gout", ["gouty words"]) is None
    assert leaks("Heart attack (MI)", ["a heart attack"]) == "Heart attack"
