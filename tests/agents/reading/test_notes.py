"""Findings in free text: which, in what state, and in whose words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.knowledge.conditions import knowledge
from agents.reading import coded, read


def states(text: str) -> dict[str, str]:
    return {code: mention.state for code, mention in coded(read(text)).items()}


@pytest.mark.parametrize(
    ("text", "code", "state"),
    [
        ("Crushing chest pain since noon.", "chest_pain", "present"),
        ("Crushing chest pain since noon.", "chest_pressure", "present"),
        ("No fever, cough or chills.", "chills", "absent"),
        ("Denies syncope but has palpitations.", "syncope", "absent"),
        ("Denies syncope but has palpitations.", "palpitations", "present"),
        ("Patient is afraid of falling; SOB at night.", "dyspnea", "present"),
        ("Non-smoker.", "smoker", "absent"),
        ("Fever: no.", "fever", "absent"),
        ("Possible seizure witnessed by a neighbour.", "seizure", "unknown"),
        ("Not only vomiting.", "vomiting", "present"),
        ("Known T2DM and HTN.", "diabetes", "present"),
        ("Haemoptysis twice.", "hemoptysis", "present"),
        ("Hemoptysis twice.", "hemoptysis", "present"),
        ("I can't catch my breath.", "dyspnea", "present"),
    ],
)
def test_a_mention_has_its_state(text, code, state):
    assert states(text).get(code) == state


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Father had a previous stroke.", "stroke_history"),
        ("Her mother was diagnosed with breast cancer.", "cancer_history"),
        ("A sister has asthma.", "asthma_atopy"),
        ("He was in the room before me, in this position.", "recurrent_episodes"),
        ("john doe came in", "dyspnea"),
    ],
)
def test_what_is_not_the_patient_s_is_left_out(text, code):
    assert code not in states(text)


def test_a_negation_ends_with_its_sentence():
    assert states("No fever. Cough for a week.") == {"fever": "absent", "cough": "present"}


def test_present_anywhere_outweighs_absent():
    assert states("No chest pain at rest. Chest pain on walking uphill.")["chest_pain"] == "present"


@given(st.text(max_size=300))
def test_any_text_is_quoted_word_for_word(text):
    for mention in read(text):
        assert mention.quote == text[mention.start : mention.end]
        assert mention.code in knowledge().findings


@pytest.mark.parametrize("finding", [f for f in knowledge().findings.values() if f.kind != "sign"], ids=lambda f: f.id)
def test_a_patient_s_own_words_are_understood(finding):
    for said in finding.says:
        assert finding.id in {mention.code for mention in read(f"{said}.") if mention.state == "present"} or _negative(
            said
        )


def _negative(said: str) -> bool:
    """Some findings are said by denying something ("I can't lie flat"): their words hold a negation."""
    return any(
        word in said.lower().split()
        for word in ("no", "not", "can't", "haven't", "never", "nothing", "don't", "without")
    )
