"""Undo takes back the last step whole: nobody is told it again, and nothing of it is deleted."""

from __future__ import annotations

from typing import Any

import pytest

from agents.types import Value
from clinic.models import (
    AuditEntry,
    Consultation,
    Event,
    Feedback,
    Finding,
    LedgerEntry,
    SimulatedResult,
    Turn,
)
from clinic.services import agent_turns, consultations, decisions, ledger, prompts, undo
from clinic.services.agent_turns import Spoken
from clinic.services.errors import Refused
from tests.clinic.factories import make_turn
from tests.clinic.services.steered import (
    Host,
    alone,
    host,
    lease,
    open_turn,
    reasons,
    seqs,
    speaks,
    started,
)

pytestmark = pytest.mark.django_db
__all__ = ["host"]


def messages(consultation: Consultation) -> list[Any]:
    """The prompt that the agent would get now, word for word."""
    codec = prompts.by_name(consultation.model_version.codec)
    return codec.messages(*prompts.told(consultation, codec, before=10_000))


def order(consultation: Consultation) -> None:
    consultations.order(consultation=consultation, by=consultation.clinician)


def answer(consultation: Consultation) -> None:
    consultations.answer(consultation=consultation, by=consultation.clinician, text="Penicillin")


def enter(consultation: Consultation) -> None:
    value = Value("1988-5", 96.0, "mg/L", "H")
    by = consultation.clinician
    consultations.enter_result(consultation=consultation, by=by, examination="CRP", text="96 mg/L", values=[value])


def say(consultation: Consultation) -> None:
    consultations.say(consultation=consultation, by=consultation.clinician, text="She is pregnant.")


def decline(consultation: Consultation) -> None:
    decisions.decline(consultation=consultation, by=consultation.clinician, reason_code="too_slow")


def correct(consultation: Consultation) -> None:
    rows = [{"diagnosis": "Sepsis", "probability": 0.7}]
    decisions.correct_differential(consultation=consultation, by=consultation.clinician, rows=rows)


STEPS = [("examine", order), ("ask", answer), ("examine", enter), ("examine", say), ("examine", decline)]
STEPS += [("examine", correct)]


@pytest.mark.parametrize(("kind", "step"), STEPS, ids=lambda value: getattr(value, "__name__", value))
def test_the_prompt_after_an_undo_is_the_prompt_before_the_step(host: Host, kind: str, step: Any) -> None:
    started()
    consultation = speaks(host, kind, "CRP")
    before = messages(consultation)
    step(consultation)
    told = prompts.prompt_for(open_turn()).messages
    assert told != before
    consultation = speaks(host, "examine", "Chest X-ray")
    assert len(messages(consultation)) > len(before)
    undone = undo.undo(consultation=consultation, by=consultation.clinician)
    consultation.refresh_from_db()
    assert messages(consultation) == before
    assert consultation.status == "waiting"
    assert {turn.role for turn in undone} >= {"agent"}
    step(consultation)
    assert prompts.prompt_for(open_turn()).messages == told, "the same step again leads to the same prompt"


def test_rows_are_retracted_and_nothing_is_deleted(host: Host) -> None:
    started()
    consultation = speaks(host)
    order(consultation)
    consultation = speaks(host, "diagnose", "Pneumonia")
    by = consultation.clinician
    undo.undo(consultation=consultation, by=by)
    assert [turn.number for turn in Turn.objects.filter(retracted_by=by)] == [2, 3]
    assert Turn.objects.count() == 3
    result = SimulatedResult.objects.get()
    assert result.retracted_at == Turn.objects.get(number=2).retracted_at
    assert AuditEntry.objects.get(action="consultation.undone").data == {"turns": [2, 3]}
    given = Feedback.objects.get(kind="undone")
    assert (given.by, given.turn.number, given.data) == (by, 2, {"turns": [2, 3]})
    again = consultations.order(consultation=consultation, by=by)
    assert again.number == 4, "numbers are never used twice"


def test_an_entered_finding_is_taken_back(host: Host) -> None:
    started("patient")
    consultation = speaks(host)
    enter(consultation)
    consultation = speaks(host)
    undo.undo(consultation=consultation, by=consultation.clinician)
    assert Finding.objects.get().retracted_at


def test_open_pages_and_the_replay_are_told(host: Host, django_capture_on_commit_callbacks: Any) -> None:
    started()
    consultation = speaks(host)
    order(consultation)
    consultation = speaks(host, "diagnose", "Pneumonia")
    last = consultation.last_seq
    with django_capture_on_commit_callbacks(execute=True):
        undo.undo(consultation=consultation, by=consultation.clinician)
    consultation.refresh_from_db()
    fresh = list(Event.objects.filter(consultation=consultation, seq__gt=last).order_by("seq"))
    assert [(event.type, event.turn) for event in fresh] == [("turn", 2), ("turn", 3), ("state", 3)]
    assert fresh[1].data["text"] == "raw Pneumonia 3", "what the model said stays word for word"
    for event in fresh[:2]:
        assert "retracted" in event.data["html"]
        assert f"Undone by {consultation.clinician.display_name} at" in event.data["html"]
    assert host.announced[-1] == (consultation.pk, consultation.last_seq)
    assert seqs(consultation) == list(range(1, consultation.last_seq + 1))


def test_step_by_step_back_to_the_beginning(host: Host) -> None:
    started()
    consultation = speaks(host, "ask", "Phlegm?")
    empty = messages(consultation)
    answer(consultation)
    consultation = speaks(host)
    order(consultation)
    consultation = speaks(host, "diagnose", "Pneumonia")
    by = consultation.clinician
    assert [turn.number for turn in undo.undo(consultation=consultation, by=by)] == [4, 5]
    assert [turn.number for turn in undo.undo(consultation=consultation, by=by)] == [2, 3]
    assert messages(consultation) == empty
    with pytest.raises(Refused, match="no step of yours"):
        undo.undo(consultation=consultation, by=by)


def test_alone_one_step_at_a_time(host: Host) -> None:
    consultation = alone()
    by = consultation.clinician
    consultations.ask(consultation=consultation, by=by, question="Do you cough?")
    consultations.order_many(consultation=consultation, by=by, examinations=["CRP", "chest X-ray"])
    assert [turn.number for turn in undo.undo(consultation=consultation, by=by)] == [3, 4]
    assert [turn.number for turn in undo.undo(consultation=consultation, by=by)] == [1, 2]


def test_not_while_the_agent_works_and_not_when_closed(host: Host) -> None:
    started()
    consultation = speaks(host)
    order(consultation)
    with pytest.raises(Refused, match="stop it first"):
        undo.undo(consultation=consultation, by=consultation.clinician)
    consultation = speaks(host, "diagnose", "Pneumonia")
    by, why = consultation.clinician, reasons(consultation)
    consultations.close(consultation=consultation, by=by, diagnosis="Pneumonia", reasons=why)
    with pytest.raises(Refused, match="closed"):
        undo.undo(consultation=consultation, by=by)
    assert not Turn.objects.exclude(retracted_at=None).exists()


@pytest.mark.parametrize("how", [agent_turns.fail, agent_turns.halt])
def test_a_failed_answer_goes_with_its_step(host: Host, how: Any) -> None:
    started()
    consultation = speaks(host)
    before = messages(consultation)
    order(consultation)
    code = {"code": "policy_unavailable"} if how is agent_turns.fail else {}
    how(lease=lease(host, open_turn()), spoken=Spoken(text="par"), **code)
    consultation.refresh_from_db()
    undo.undo(consultation=consultation, by=consultation.clinician)
    consultation.refresh_from_db()
    assert consultation.status == "waiting"
    assert messages(consultation) == before
    order(consultation)
    assert open_turn().number == 5


def test_after_an_undo_the_agent_still_owes_its_first_answer(host: Host) -> None:
    consultation = started()
    agent_turns.fail(lease=lease(host, open_turn()), code="policy_unavailable", spoken=Spoken())
    consultation.refresh_from_db()
    say(consultation)
    consultation = speaks(host)
    undo.undo(consultation=consultation, by=consultation.clinician)
    turn = consultations.retry(consultation=consultation, by=consultation.clinician)
    assert (turn.status, turn.number) == ("streaming", 4)


def test_what_was_undone_does_not_count_towards_the_cap(host: Host) -> None:
    consultation = started()
    speaks(host)
    for _ in range(agent_turns.MAX_TURNS - 2):
        make_turn(consultation, "agent", action={"action": "ask", "target": "?"})
    consultation.refresh_from_db()
    say(consultation)
    assert not open_turn().forced
    consultation = speaks(host)
    undo.undo(consultation=consultation, by=consultation.clinician)
    say(consultation)
    assert not open_turn().forced, "the undone answer was the twelfth"


def test_the_undone_decision_counts_no_longer(host: Host) -> None:
    started()
    consultation = speaks(host)
    order(consultation)
    assert Feedback.objects.get(kind="accepted").status == "proposed"
    consultation = speaks(host)
    undo.undo(consultation=consultation, by=consultation.clinician)
    assert Feedback.objects.get(kind="accepted").status == "withdrawn"
    decline(consultation)
    assert Feedback.objects.get(kind="rejected").status == "proposed"


def test_a_hypothesis_excluded_by_an_undone_result_is_open_again(host: Host) -> None:
    started()
    consultation = speaks(host)
    order(consultation)
    consultation = speaks(host)
    entry = LedgerEntry.objects.filter(consultation=consultation).first()
    assert entry
    by = consultation.clinician
    ledger.exclude(entry=entry, by=by, evidence=[f"s{SimulatedResult.objects.get().pk}"])
    entry.refresh_from_db()
    assert entry.status == "excluded"
    undo.undo(consultation=consultation, by=by)
    entry.refresh_from_db()
    assert (entry.status, entry.evidence) == ("open", [])
