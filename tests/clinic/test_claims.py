"""A claim of the agent's counts only with a fact of this case behind it; else it is shown as not in this record."""

from __future__ import annotations

import pytest

from clinic.arguments import arguments
from clinic.claims import check_claim
from clinic.facts import Facts, read_facts
from tests.clinic.factories import CRP, make_case, make_consultation, make_finding

pytestmark = pytest.mark.django_db


@pytest.fixture
def facts() -> Facts:
    history = {
        "hpi": "Sharp pain on breathing in, pleuritic. No fever. Knee surgery ten days ago. BP 92/60, pulse 121.",
        "past": "Wears a hearing aid.",
    }
    case = make_case(complaint="Chest pain", age_years=62, sex="female", history=history, extra={"group": "chest_pain"})
    make_finding(case, name="C-reactive protein", text="", values=[CRP])
    make_finding(case, name="D-dimer", text="D-dimer 0.2 ug/mL", values=[])
    make_finding(case, name="Chest X-ray", text="Normal chest radiograph.", values=[])
    return read_facts(make_consultation(case=case))


@pytest.mark.parametrize(
    ("claim", "quote"),
    [
        ("pleuritic pain", "pleuritic"),
        ("no fever", "No fever."),
        ("tachycardia", "pulse 121"),
        ("raised CRP", "CRP 96"),
        ("normal D-dimer", "D-dimer 0.2"),
        ("age 62 years", "62 y, female"),
        ("hearing aid", "hearing aid"),
    ],
)
def test_a_claim_with_a_fact_behind_it_quotes_the_fact(facts, claim, quote) -> None:
    found = check_claim(claim, facts)
    assert found.fact is not None
    assert quote in found.fact.quote
    assert found.denied is None


@pytest.mark.parametrize("claim", ["fever", "raised D-dimer", "normal CRP", "bradycardia"])
def test_the_opposite_in_the_record_is_said(facts, claim) -> None:
    found = check_claim(claim, facts)
    assert found.fact is None
    assert found.denied is not None


@pytest.mark.parametrize("claim", ["haemoptysis", "raised troponin", "long flight", "age 35 years", "no hearing aid"])
def test_what_nobody_said_is_no_evidence(facts, claim) -> None:
    found = check_claim(claim, facts)
    assert (found.fact, found.denied) == (None, None)


def test_the_knowledge_argues_with_its_grades_strongest_first(facts) -> None:
    found = arguments(facts, "pe")
    assert found.inside
    assert found.supporting[0].ratio >= found.supporting[-1].ratio >= 1.5
    assert "pleuritic_pain" in {one.fact.id for one in found.supporting}
    assert next(one for one in found.supporting if one.fact.id == "pleuritic_pain").confidence == "C"
    assert found.opposing[0].fact.id == "d_dimer"
    assert found.opposing[0].ratio < 0.67
    assert "chest_pain" not in {one.fact.id for one in (*found.supporting, *found.opposing)}


def test_outside_the_knowledge_nobody_argues(facts) -> None:
    assert not arguments(facts, None).inside
    facts.age_years = None
    assert not arguments(facts, "pe").inside
