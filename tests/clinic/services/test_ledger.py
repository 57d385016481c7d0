"""Every can't-miss is open until a person excludes it by evidence of this case, or says why it stays open."""

from __future__ import annotations

import pytest
from django.utils import timezone

from agents.types import Action, ActionKind, Hypothesis, HypothesisGroup
from clinic.facts import read_facts
from clinic.models import Consultation, LedgerEntry, LedgerOrigin
from clinic.services import consultations, ledger
from clinic.services.errors import Refused
from tests.clinic.factories import make_case, make_consultation, make_finding, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def room() -> Consultation:
    history, extra = {"hpi": "Came on slowly."}, {"group": "chest_pain"}
    return make_consultation(case=make_case(complaint="Chest pain", history=history, extra=extra, sheet=[]))


@pytest.fixture
def entry(room) -> LedgerEntry:
    ledger.open_ledger(room, read_facts(room))
    return room.ledger.get(key="pe")


def test_it_opens_with_the_knowledge_for_this_complaint(room, entry) -> None:
    assert {"acs", "pe", "aortic_dissection", "pneumothorax"} <= set(room.ledger.values_list("key", flat=True))
    assert {row.status for row in room.ledger.all()} == {"open"}
    ledger.open_ledger(room, read_facts(room))
    assert room.ledger.filter(key="pe").count() == 1


def test_outside_the_knowledge_it_is_empty() -> None:
    room = make_consultation(case=make_case(complaint="A broken toe", history={}))
    assert ledger.open_ledger(room, read_facts(room)) == []


def test_nobody_must_exclude_what_the_patient_cannot_have() -> None:
    case = make_case(complaint="Abdominal pain", sex="male", age_years=29, history={})
    room = make_consultation(case=case)
    ledger.open_ledger(room, read_facts(room))
    keys = set(room.ledger.values_list("key", flat=True))
    assert "appendicitis" in keys
    assert not {"ectopic", "ovarian_torsion"} & keys


def test_the_agent_adds_and_never_removes(room, entry) -> None:
    def said(*names: str) -> Action:
        listed = tuple(Hypothesis(name, 0.1, HypothesisGroup.CANT_MISS) for name in names)
        return Action(ActionKind.ASK, "Why?", "", (*listed, Hypothesis("Sepsis", 0.2, HypothesisGroup.LIKELY)))

    before = room.ledger.count()
    ledger.add_from_agent(room, said("Lung embolus", "pulmonary thromboembolism", "Boerhaave’s"))
    added = room.ledger.exclude(origin=LedgerOrigin.KNOWLEDGE)
    assert room.ledger.count() == before + added.count()
    assert not room.ledger.filter(key="sepsis").exists()
    assert room.ledger.filter(key="pe").count() == 1
    ledger.add_from_agent(room, Action(ActionKind.DIAGNOSE, "GERD", "", ()))
    assert room.ledger.count() == before + added.count()


def test_evidence_must_be_of_this_case(room, entry) -> None:
    make_finding(room.case, name="CT pulmonary angiogram", text="No pulmonary embolus.", values=[])
    with pytest.raises(Refused, match="at least one fact"):
        ledger.exclude(entry=entry, by=room.clinician, evidence=[])
    with pytest.raises(Refused, match="at least one fact"):
        ledger.exclude(entry=entry, by=room.clinician, evidence=["hemoptysis"])
    row = room.case.findings.get()
    ledger.exclude(entry=entry, by=room.clinician, evidence=[f"f{row.pk}"])
    entry.refresh_from_db()
    assert (entry.status, entry.decided_by) == ("excluded", room.clinician)
    assert entry.evidence[0]["text"] == "No pulmonary embolus."
    assert entry.decided_at is not None
    ledger.reopen(entry=entry, by=room.clinician)
    entry.refresh_from_db()
    assert (entry.status, entry.evidence, entry.decided_by) == ("open", [], None)


def test_accepted_only_with_a_reason(room, entry) -> None:
    with pytest.raises(Refused, match="why it stays open"):
        ledger.accept(entry=entry, by=room.clinician, reason="  ")
    ledger.accept(entry=entry, by=room.clinician, reason="Low risk, told to come back.")
    entry.refresh_from_db()
    assert (entry.status, entry.reason) == ("accepted", "Low risk, told to come back.")


def test_only_the_clinician_who_holds_it_decides(room, entry) -> None:
    with pytest.raises(Refused, match="holds this consultation"):
        ledger.accept(entry=entry, by=make_user(site=room.site), reason="x")


def test_closing_over_an_open_one_needs_its_reason(room, entry) -> None:
    with pytest.raises(Refused, match="Pulmonary embolism"):
        consultations.close(consultation=room, by=room.clinician, diagnosis="Costochondritis")
    room.refresh_from_db()
    assert room.status == "waiting"
    reasons = {row.pk: "Discussed with the senior." for row in room.ledger.all()}
    consultations.close(consultation=room, by=room.clinician, diagnosis="Costochondritis", reasons=reasons)
    room.refresh_from_db()
    assert room.status == "closed"
    assert {row.status for row in room.ledger.all()} == {"accepted"}
    with pytest.raises(Refused, match="closed"):
        ledger.reopen(entry=room.ledger.get(key="pe"), by=room.clinician)


def test_a_clinicians_own_entry(room, entry) -> None:
    made = ledger.add(consultation=room, by=room.clinician, name="Takotsubo cardiomyopathy")
    assert (made.origin, made.key) == (LedgerOrigin.CLINICIAN, "takotsubo cardiomyopathy")
    assert ledger.add(consultation=room, by=room.clinician, name="PE") == entry


def test_a_red_flag_opens_what_was_excluded_before_it(db) -> None:
    consultation = make_consultation()
    entry = LedgerEntry.objects.create(consultation=consultation, key="sah", name="SAH", origin="knowledge")
    facts = [{"finding": "x", "name": "x", "text": "x"}]
    entry.move_to("excluded", by=None, evidence=facts, decided_by=consultation.clinician, decided_at=timezone.now())
    ledger.add_conditions(consultation, ["sah"])
    entry.refresh_from_db()
    assert (entry.status, entry.evidence) == ("open", [])


def test_several_complaints_open_the_dangers_of_each(db) -> None:
    consultation = make_consultation(case=make_case(complaint="Chest pain and a bad headache", history={}))
    ledger.open_ledger(consultation, read_facts(consultation))
    assert {"pe", "sah"} <= set(consultation.ledger.values_list("key", flat=True))
