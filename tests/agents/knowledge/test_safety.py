"""Red flags are raised, and orders warned about, when the record says so and not otherwise."""

import pytest

from agents.knowledge.conditions import knowledge
from agents.knowledge.safety import mentions, safety


def test_flags_need_their_complaint_and_all_their_findings() -> None:
    facts = {"fever": True, "tropical_travel": True}
    assert "fever_after_tropics" in [flag.id for flag in safety().raised("fever", facts)]
    assert safety().raised("headache", facts) == []
    assert safety().raised("fever", {"fever": True, "tropical_travel": False}) == []


def test_values_raise_flags_in_every_complaint() -> None:
    assert [flag.id for flag in safety().raised("cough", {"spo2": 88.0})] == ["hypoxia"]
    assert safety().raised("cough", {"spo2": 92.0}) == []


def test_what_is_to_be_considered_is_known() -> None:
    known = set(knowledge().conditions)
    for flag in safety().red_flags:
        assert set(flag.consider) <= known, flag.id


@pytest.mark.parametrize(
    ("exam", "facts", "text", "expected"),
    [
        ("ctpa", {"egfr": 22.0}, "", ["renal_impairment"]),
        ("ctpa", {"egfr": 60.0}, "", []),
        ("ctpa", {"hcg": "positive"}, "", ["pregnancy"]),
        ("ctpa", {}, "Allergic to contrast.", ["contrast_allergy"]),
        ("lumbar_puncture", {"papilloedema": True, "inr": 2.4}, "", ["coagulopathy", "raised_intracranial_pressure"]),
        ("chest_xray", {"pregnant": True}, "", []),
        ("mri_brain", {}, "Has a pacemaker", ["pacemaker"]),
        ("mri_brain", {}, "No pacemaker", []),
    ],
)
def test_warnings_before_an_examination(exam: str, facts: dict, text: str, expected: list[str]) -> None:
    assert [warning.caution for warning in safety().before_examination(exam, facts, text)] == expected


def test_warnings_before_a_drug() -> None:
    found = safety().before_drug("Ibuprofen 400 mg", {"egfr": 20.0}, text="takes warfarin")
    assert [warning.caution for warning in found] == ["renal_impairment", "interaction"]
    assert [w.caution for w in safety().before_drug("amoxicillin", {}, allergies="penicillin: rash")] == ["allergy"]
    assert safety().before_drug("homeopathy", {}) == []


def test_negated_words_do_not_count() -> None:
    assert mentions("On warfarin since May", "warfarin")
    assert not mentions("Not taking warfarin", "warfarin")
    assert not mentions("warfarinised", "warfarin")
