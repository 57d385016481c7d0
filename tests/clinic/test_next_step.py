"""Before an order: what it costs, what speaks against it in this patient, whether it is done, whom it would move."""

from __future__ import annotations

import pytest
from django.utils import timezone

from clinic.facts import read_facts
from clinic.models import Consultation
from clinic.next_step import card_of, drug_warnings
from tests.clinic.factories import make_case, make_consultation, make_finding, make_turn

pytestmark = pytest.mark.django_db


def room_of(**fields) -> Consultation:
    defaults = {"complaint": "Chest pain", "age_years": 34, "sex": "female", "extra": {"group": "chest_pain"}}
    return make_consultation(case=make_case(**{**defaults, "history": {"hpi": "Pleuritic."}, "sheet": [], **fields}))


def test_a_contraindication_quotes_what_shows_it() -> None:
    room = room_of(history={"hpi": "Pleuritic.", "allergies": "Allergic to contrast, hives.", "drugs": "None"})
    make_finding(room.case, name="eGFR", text="eGFR 22 mL/min/1.73m2", values=[])
    make_finding(room.case, name="Pregnancy test", text="Pregnancy test positive.", values=[])
    card = card_of("CT pulmonary angiogram", read_facts(room))
    said = {warning.says: warning for warning in card.warnings}
    assert any("contrast" in says.lower() for says in said)
    assert any("kidney" in says.lower() for says in said)
    pregnant = next(warning for says, warning in said.items() if "pregnant" in says)
    assert "positive" in pregnant.because.lower()
    assert card.unknown == []


def test_what_a_warning_would_need_is_asked_for() -> None:
    card = card_of("CT pulmonary angiogram", read_facts(room_of()))
    assert set(card.unknown) == {"kidney function", "allergies", "pregnancy"}
    man = card_of("CT pulmonary angiogram", read_facts(room_of(sex="male")))
    assert "pregnancy" not in man.unknown


def test_a_repeat_names_the_turn_that_brought_it() -> None:
    room = room_of()
    make_turn(room, "environment", source="unavailable", matched="Troponin", request="troponin")
    panel = make_turn(room, "environment", source="simulated", matched="Basic metabolic panel")
    make_turn(room, "environment", source="entered", matched="Lactate", retracted_at=timezone.now())
    turns = list(room.turns.all())
    facts = read_facts(room)
    assert card_of("sodium", facts, turns).done == [panel]
    assert card_of("troponin", facts, turns).done == []
    assert card_of("lactate", facts, turns).done == []


def test_it_says_whom_each_result_would_move() -> None:
    card = card_of("CT pulmonary angiogram", read_facts(room_of()))
    assert card.judged
    clot = next(effect for effect in card.effects if effect.outcome == "Pulmonary embolus")
    name, before, after = clot.up[0]
    assert name == "Pulmonary embolism"
    assert after > 0.5 > before
    assert ("Pulmonary embolism", "up") in card.movers or ("Pulmonary embolism", "down") in card.movers
    assert card.cost > 0
    assert card.radiation > 0


def test_outside_the_catalogue_nothing_is_invented() -> None:
    card = card_of("Auscultation of the soul", read_facts(room_of()))
    assert (card.exams, card.effects, card.judged, card.warnings) == ([], [], False, [])


def test_drugs_are_held_against_allergies_and_each_other_once() -> None:
    room = room_of(history={"drugs": "Ibuprofen, lisinopril, amoxicillin", "allergies": "Penicillin: rash"})
    said = [warning.says for warning in drug_warnings(read_facts(room))]
    assert any(says.startswith("Amoxicillin: ") for says in said)
    assert sum("with" in says for says in said) == 1
