"""Sets of cases by name."""

import json

import pytest

from agents.types import CaseRecord, RecordedResult, Source
from agents.world.play import reference_examinations
from training.evaluation import cases
from training.evaluation.cases import (
    IN_SCOPE,
    OUT_OF_SCOPE,
    SCOPE,
    UnknownCaseSet,
    case_set,
    kept_references,
    oracle_references,
    record_case,
)


def test_virtual_sets_follow_the_bank():
    first = case_set("virtual:test", limit=2)
    assert [case.id.split("@")[0] for case in first] == ["virtual:test:0000", "virtual:test:0001"]
    assert first[0].answer
    assert set(first[0].subgroups) == {"sex", "age", "complaint"}
    assert case_set("virtual:test:0001")[0].id == first[1].id


def test_another_case_seed_draws_other_patients():
    assert case_set("virtual:test", limit=1, case_seed=2)[0].id.startswith("virtual:test:200000@")


def test_the_sealed_split_is_for_the_gate():
    for name in ("virtual:sealed", "virtual:sealed:0001"):
        with pytest.raises((ValueError, UnknownCaseSet)):
            case_set(name)
    assert case_set("virtual:sealed", limit=1, sealed=True)


def test_unknown_sets_list_the_known():
    with pytest.raises(UnknownCaseSet, match=r"virtual:test.*mine"):
        case_set("other", loaders={"mine": list})


async def test_an_imported_set():
    result = RecordedResult("ECG", "ST elevation")
    records = [
        CaseRecord("r1", "o", 40, "female", "Pain", results=(result, result), answer="MI"),
        CaseRecord("r2", "o", 40, "female", "Pain"),
        CaseRecord("r3", "o", None, "unknown", "Pain", answer="MI", extra={"reference_examinations": ["CBC"]}),
    ]
    found = case_set("mine", loaders={"mine": lambda: records})
    assert [case.id for case in found] == ["r1", "r3"], "a case without an answer cannot be scored"
    assert [case.reference_examinations for case in found] == [("ECG",), ("CBC",)]
    assert found[1].subgroups["age"] == "unknown"
    seen = await found[0].open_world().examine("ECG")
    assert {observation.source for observation in seen} == {Source.RECORDED}


def test_a_record_says_whether_its_diagnosis_was_taught():
    def scope(answer):
        return record_case(CaseRecord("r", "test", 40, "female", "Fever", {}, (), answer), "x").subgroups[SCOPE]

    assert scope("Community acquired pneumonia") == IN_SCOPE
    assert scope("Heart attack (anterior)") == IN_SCOPE
    assert scope("Hereditary spastic paraplegia") == OUT_OF_SCOPE


def test_references_are_the_greedy_oracles_and_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(cases, "_kept", {})
    case = case_set("virtual:test:0001")[0]
    path = tmp_path / "references.json"
    with kept_references(path):
        assert case.reference_examinations == tuple(reference_examinations(case.id))
    assert json.loads(path.read_text()) == {case.id: list(case.reference_examinations)}
    path.write_text(json.dumps({case.id: ["ecg"]}))
    monkeypatch.setattr(cases, "_kept", {})
    with kept_references(path):
        assert oracle_references(case.id) == ("ecg",)
