"""What a clinician can do, what is refused, and that every verb leaves turns, facts, events and audit together."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from agents.types import MAX_TURNS, Action, ActionKind, Value
from clinic.models import (
    AuditEntry,
    Consultation,
    Event,
    Finding,
    ModelOutput,
    ModelVersion,
    SimulatedResult,
    StaleStatus,
    Training,
    Turn,
)
from clinic.services import agent_turns, consultations, prompts
from clinic.services.agent_turns import LeaseLost, Spoken
from clinic.services.errors import Refused
from tests.clinic.factories import make_case, make_consultation, make_serving_agent, make_site, make_turn, make_user
from tests.clinic.services.steered import Host, alone, host, lease, open_turn, reasons, seqs, speaks, started

pytestmark = pytest.mark.django_db
__all__ = ["host"]


def test_start_pins_the_policy_and_opens_a_leased_turn(host: Host, django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        consultation = started()
        assert not host.produced, "the producer must start after the commit"
    turn = consultation.turns.get()
    assert (turn.role, turn.status, turn.attempt, turn.lease_owner) == ("agent", "streaming", 1, host.owner)
    assert consultation.endpoint.model_version == consultation.model_version
    assert [produced.pk for produced in host.produced] == [turn.pk]
    assert Event.objects.get(consultation=consultation).data == {"state": "thinking"}
    assert AuditEntry.objects.filter(action="consultation.started", target=str(consultation.pk)).exists()


def test_without_a_host_the_turn_waits_for_a_taker() -> None:
    turn = started().turns.get()
    assert (turn.attempt, turn.lease_owner) == (0, None)
    assert agent_turns.expired() == [turn.pk]


def test_an_untrained_model_never_sees_a_patient() -> None:
    make_serving_agent()
    with pytest.raises(Refused, match="untrained"):
        consultations.start(case=make_case("patient"), by=make_user())
    assert not Consultation.objects.exists()


@pytest.mark.parametrize("role", ["annotator", "adjudicator", "researcher"])
def test_only_clinicians_hold_consultations(role: str) -> None:
    make_serving_agent()
    with pytest.raises(Refused):
        consultations.start(case=make_case(), by=make_user(role))


def test_order_on_a_virtual_case_gives_a_simulated_result(host: Host) -> None:
    consultation = started()
    consultation = speaks(host, "examine", "CRP")
    turn = consultations.order(consultation=consultation, by=consultation.clinician)
    assert (turn.role, turn.source, turn.request) == ("environment", "simulated", "CRP")
    result = SimulatedResult.objects.get()
    assert (result.world, result.turn, result.values[0]["value"]) == ("authored", turn, 96.0)
    assert not Finding.objects.exists()
    assert consultation.turns.last().status == "streaming"


def test_order_on_a_record_gives_a_recorded_finding(host: Host) -> None:
    started("record")
    consultation = speaks(host, "examine", "CRP")
    consultations.order(consultation=consultation, by=consultation.clinician)
    assert Finding.objects.get().source == "recorded"
    assert not SimulatedResult.objects.exists()


@pytest.mark.parametrize("kind", ["record", "virtual"])
def test_what_the_case_does_not_hold_is_said_and_not_kept(host: Host, kind: str) -> None:
    started(kind)
    consultation = speaks(host)
    turn = consultations.order(consultation=consultation, by=consultation.clinician, examination="Colonoscopy")
    assert turn.source == "unavailable"
    assert not Finding.objects.exists()
    assert not SimulatedResult.objects.exists()


def test_results_of_real_patients_are_only_entered(host: Host) -> None:
    started("patient")
    consultation = speaks(host, "examine", "CRP")
    by = consultation.clinician
    with pytest.raises(Refused):
        consultations.order(consultation=consultation, by=by)
    value = Value("1988-5", 96.0, "mg/L", "H")
    consultations.enter_result(consultation=consultation, by=by, examination="CRP", text="96 mg/L", values=[value])
    finding = Finding.objects.get()
    assert (finding.source, finding.by, finding.values[0]["value"]) == ("entered", by, 96.0)


def test_a_question_is_answered_by_the_world_or_in_the_clinicians_words(host: Host) -> None:
    started()
    consultation = speaks(host, "ask", "Which drugs do you take?")
    first = consultations.answer(consultation=consultation, by=consultation.clinician)
    assert first.role == "patient"
    consultation = speaks(host, "ask", "Any allergies?")
    second = consultations.answer(consultation=consultation, by=consultation.clinician, text="Penicillin")
    assert (second.role, second.source, second.text) == ("clinician", "entered", "Penicillin")
    assert Finding.objects.get(source="entered").name == "Any allergies?"


def test_a_real_patients_question_needs_the_clinicians_words(host: Host) -> None:
    started("patient")
    consultation = speaks(host, "ask", "Any allergies?")
    with pytest.raises(Refused, match="Nothing was entered"):
        consultations.answer(consultation=consultation, by=consultation.clinician)


@pytest.mark.parametrize(
    ("kind", "verb"), [("ask", consultations.order), ("examine", consultations.answer), ("defer", consultations.order)]
)
def test_an_answer_must_fit_the_action(host: Host, kind: str, verb: Any) -> None:
    started()
    consultation = speaks(host, kind)
    with pytest.raises(Refused):
        verb(consultation=consultation, by=consultation.clinician)
    assert not AuditEntry.objects.filter(action__in=["consultation.ordered", "consultation.answered"]).exists()


def test_while_the_agent_thinks_nothing_else_happens(host: Host) -> None:
    consultation = started()
    with pytest.raises(Refused, match="still working"):
        consultations.say(consultation=consultation, by=consultation.clinician, text="Wait")
    assert consultation.turns.count() == 1


def test_nobody_else_steers(host: Host) -> None:
    started()
    consultation = speaks(host)
    for other in (make_user(), make_user("admin"), make_user(site=make_site())):
        with pytest.raises(Refused, match="holds this consultation"):
            consultations.say(consultation=consultation, by=other, text="Hello")


def test_stop_is_a_request_on_the_row(host: Host, django_capture_on_commit_callbacks: Any) -> None:
    consultation = started()
    with django_capture_on_commit_callbacks(execute=True):
        consultations.stop(consultation=consultation, by=consultation.clinician)
    turn = consultation.turns.get()
    assert turn.stop_requested_at
    assert host.stopped == [turn.pk]
    assert turn.status == "streaming", "only its producer ends a turn"


def test_stop_when_nothing_runs_is_stale(host: Host) -> None:
    started()
    consultation = speaks(host)
    with pytest.raises(StaleStatus):
        consultations.stop(consultation=consultation, by=consultation.clinician)


@pytest.mark.parametrize("how", ["failed", "stopped"])
def test_retry_opens_a_new_turn_after_failure_and_stop(host: Host, how: str) -> None:
    consultation = started()
    held = lease(host, open_turn())
    if how == "failed":
        agent_turns.fail(lease=held, code="policy_unavailable", spoken=Spoken(text="par"))
    else:
        agent_turns.halt(lease=held, spoken=Spoken(text="par"))
    consultation.refresh_from_db()
    assert consultation.status == how
    turn = consultations.retry(consultation=consultation, by=consultation.clinician)
    assert turn.number == 2
    last = Event.objects.filter(consultation=consultation).order_by("-seq")[1]
    assert last.type == ("error" if how == "failed" else "done")


def test_retry_of_a_complete_answer_is_refused(host: Host) -> None:
    started()
    consultation = speaks(host)
    with pytest.raises(Refused, match="nothing to try again"):
        consultations.retry(consultation=consultation, by=consultation.clinician)


def test_close_keeps_the_clinicians_diagnosis_and_ends_it(host: Host) -> None:
    started()
    consultation = speaks(host, "diagnose", "Pneumonia")
    assert consultation.status == "diagnosed"
    by = consultation.clinician
    why = reasons(consultation)
    consultations.close(
        consultation=consultation, by=by, diagnosis="Lobar pneumonia", note="Oral treatment.", reasons=why
    )
    consultation.refresh_from_db()
    assert (consultation.status, consultation.diagnosis) == ("closed", "Lobar pneumonia")
    with pytest.raises(Refused, match="closed"):
        consultations.say(consultation=consultation, by=by, text="One more thing")


def test_numbers_have_no_gaps_and_last_seq_is_the_last_that_is_no_token(host: Host) -> None:
    started()
    consultation = speaks(host)
    consultations.order(consultation=consultation, by=consultation.clinician)
    consultation = speaks(host, "diagnose", "Pneumonia")
    assert seqs(consultation) == list(range(1, len(seqs(consultation)) + 1))
    assert consultation.last_seq == seqs(consultation)[-1]
    assert list(consultation.turns.values_list("number", flat=True)) == [1, 2, 3]


def test_at_the_cap_the_next_turn_is_forced(host: Host) -> None:
    consultation = make_consultation()
    for _ in range(MAX_TURNS - 1):
        make_turn(consultation, "agent", action={"action": "ask", "target": "?"})
    consultations.say(consultation=consultation, by=consultation.clinician, text="Go on")
    assert not open_turn().forced
    speaks(host, "ask", "One more?")
    consultation.refresh_from_db()
    consultations.say(consultation=consultation, by=consultation.clinician, text="Enough")
    assert open_turn().forced


def test_who_lost_the_lease_writes_nothing(host: Host) -> None:
    consultation = started()
    turn = open_turn()
    old = lease(host, turn)
    Turn.objects.filter(pk=turn.pk).update(lease_expires_at="2020-01-01T00:00Z")
    new = agent_turns.take(turn_id=turn.pk, owner=uuid.uuid4())
    assert new
    assert (new.attempt, new.next_seq) == (2, 3)
    assert Event.objects.get(consultation=consultation, seq=2).data["state"] == "restarted"
    action = Action(ActionKind.DIAGNOSE, "Pneumonia")
    with pytest.raises(LeaseLost):
        agent_turns.complete(lease=old, action=action, spoken=Spoken())
    assert agent_turns.take(turn_id=turn.pk, owner=uuid.uuid4()) is None, "a live lease is not taken"
    agent_turns.complete(lease=new, action=action, spoken=Spoken())
    assert list(ModelOutput.objects.filter(turn=turn).order_by("attempt").values_list("complete", flat=True)) == [
        False,
        True,
    ]


def test_no_patient_text_in_the_audit_log(host: Host) -> None:
    started(complaint="Unmistakable words")
    consultation = speaks(host, "ask", "Unmistakable words?", reason="Unmistakable words.")
    consultations.answer(consultation=consultation, by=consultation.clinician, text="Unmistakable words")
    assert not any("Unmistakable" in str(entry.data) for entry in AuditEntry.objects.all())


def test_alone_the_world_answers_and_the_agent_keeps_silent(host: Host) -> None:
    consultation = alone()
    by = consultation.clinician
    consultations.ask(consultation=consultation, by=by, question="Do you cough?")
    consultations.order(consultation=consultation, by=by, examination="chest X-ray")
    consultation.refresh_from_db()
    assert consultation.status == "waiting"
    assert [turn.role for turn in consultation.turns.all()] == ["clinician", "patient", "environment"]
    assert host.produced == []
    assert SimulatedResult.objects.filter(consultation=consultation).exists()
    assert not Finding.objects.filter(consultation=consultation).exists()


def test_the_agent_is_called_in_and_told_what_was_found(host: Host, django_capture_on_commit_callbacks: Any) -> None:
    consultation = alone()
    by = consultation.clinician
    consultations.order(consultation=consultation, by=by, examination="chest X-ray")
    with django_capture_on_commit_callbacks(execute=True):
        turn = consultations.call_agent(consultation=consultation, by=by)
    assert host.produced == [turn]
    told = " ".join(message.content for message in prompts.prompt_for(turn).messages)
    assert "Consolidation of the right lower lobe" in told
    with pytest.raises(Refused):
        consultations.call_agent(consultation=consultation, by=by)


def test_a_real_patient_is_never_played() -> None:
    make_serving_agent()
    ModelVersion.objects.update(training=Training.EXTERNAL)
    with pytest.raises(Refused, match="cannot be played"):
        consultations.start(case=make_case("patient"), by=make_user(), alone=True)


PARTIAL = '{"action":"examine","target":"Chest X-ray","reason":"Fever for three days and'


@pytest.mark.parametrize("how", ["stopped", "failed"])
def test_an_unfinished_answer_is_shown_as_unfinished(host: Host, how: str) -> None:
    started()
    held = lease(host, open_turn())
    if how == "stopped":
        agent_turns.halt(lease=held, spoken=Spoken(text=PARTIAL))
    else:
        agent_turns.fail(lease=held, code="policy_timeout", spoken=Spoken(text=PARTIAL))
    turn = Turn.objects.get(number=1)
    assert turn.text == "Chest X-ray\nFever for three days and"
    assert turn.action is None
    html = Event.objects.get(type="turn").data["html"]
    assert "<s>Chest X-ray\nFever for three days and</s>" in html
    assert "{" not in html, "nobody reads the wire form"


def test_what_was_malformed_is_not_shown_in_part(host: Host) -> None:
    started()
    agent_turns.fail(lease=lease(host, open_turn()), code="malformed", spoken=Spoken(text=PARTIAL))
    assert Turn.objects.get(number=1).text == ""


def test_a_consultation_longer_than_the_agent_can_read_is_told_in_words(host: Host) -> None:
    started()
    agent_turns.fail(lease=lease(host, open_turn()), code="context_exceeded", spoken=Spoken())
    sentence = Event.objects.get(type="error").data["sentence"]
    assert "longer than the agent can read" in sentence
    assert sentence in Event.objects.get(type="turn").data["html"]
