"""What a clinician can do with a consultation: one verb, one transaction, and then the agent speaks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from django.db import transaction
from django.utils import timezone

from agents.types import ActionKind, Observation, Source, Value
from clinic.models import (
    Case,
    CaseKind,
    Consultation,
    ConsultationStatus,
    EventType,
    Finding,
    FindingSource,
    IllegalTransition,
    StaleStatus,
    Turn,
    TurnRole,
    TurnStatus,
    User,
)
from clinic.services import agent_turns, audit, dispatch, versions
from clinic.services.errors import SENTENCES, Refused
from clinic.services.events import Outbox
from clinic.services.worlds import ask_world, keep, world_for

OPEN = (
    ConsultationStatus.WAITING,
    ConsultationStatus.STOPPED,
    ConsultationStatus.FAILED,
    ConsultationStatus.DIAGNOSED,
    ConsultationStatus.DEFERRED,
)


def start(*, case: Case, by: User, alone: bool = False) -> Consultation:
    """Open a consultation with the policy that serves now, pinned to the end, and its first agent turn.

    With `alone` the agent keeps silent until it is called: the clinician plays the case, and its world answers.
    """
    if not by.may_consult:
        raise Refused(SENTENCES["may_not_consult"])
    version, endpoint = versions.serving_agent()
    if case.kind == CaseKind.PATIENT and not version.may_see_patients:
        raise Refused(SENTENCES["untrained_patient"])
    if alone and case.kind == CaseKind.PATIENT:
        raise Refused(SENTENCES["patient_alone"])
    with transaction.atomic():
        consultation = Consultation.objects.create(
            site=case.site, case=case, clinician=by, model_version=version, endpoint=endpoint, agent_called=not alone
        )
        if not alone:
            _agent_next(consultation, by, Outbox(consultation))
        _audit(consultation, by, "started", case=str(case.pk), version=version.version, alone=alone)
    return consultation


def call_agent(*, consultation: Consultation, by: User) -> Turn:
    """The agent, silent so far, takes part from here on: it is told everything and speaks next."""
    with _steering(consultation, by) as (current, outbox):
        if current.agent_called:
            raise Refused(SENTENCES["agent_is_there"])
        current.agent_called = True
        current.save(update_fields=["agent_called"])
        turn = _agent_next(current, by, outbox)
        _audit(current, by, "agent_called", turns=[turn.number])
    return turn


def ask(*, consultation: Consultation, by: User, question: str) -> Turn:
    """The clinician's own question, answered by the case's world."""
    _refuse_patient(consultation)
    if not question.strip():
        raise Refused(SENTENCES["needs_text"])
    observation = ask_world(world_for(consultation.case).ask(question))
    with _steering(consultation, by) as (current, outbox):
        asked = _turn(current, by, role=TurnRole.CLINICIAN, text=question.strip())
        _tell(outbox, asked)
        turn = _world_turn(current, by, outbox, question.strip(), observation, role=TurnRole.PATIENT)
        _go_on(current, by, outbox)
        _audit(current, by, "asked", turns=[asked.number, turn.number])
    return turn


def order(*, consultation: Consultation, by: User, examination: str = "") -> Turn:
    """Do the examination the agent recommends, or another one; the case's world answers. The first result's turn."""
    _refuse_patient(consultation)
    request = examination.strip() or _pending(consultation, ActionKind.EXAMINE, "nothing_to_order")
    observations = ask_world(world_for(consultation.case).examine(request))
    with _steering(consultation, by) as (current, outbox):
        turns = [_world_turn(current, by, outbox, request, seen) for seen in observations]
        _go_on(current, by, outbox)
        _audit(current, by, "ordered", turns=[turn.number for turn in turns])
    return turns[0]


def answer(*, consultation: Consultation, by: User, text: str = "") -> Turn:
    """Answer the agent's question; with no text, and no real patient, the case's world answers."""
    question = _pending(consultation, ActionKind.ASK, "nothing_to_answer")
    if text.strip():
        return _enter(consultation, by, "answered", TurnRole.CLINICIAN, question, text)
    if consultation.case.kind == CaseKind.PATIENT:
        raise Refused(SENTENCES["needs_text"])
    observation = ask_world(world_for(consultation.case).ask(question))
    with _steering(consultation, by) as (current, outbox):
        turn = _world_turn(current, by, outbox, question, observation, role=TurnRole.PATIENT)
        _go_on(current, by, outbox)
        _audit(current, by, "answered", turns=[turn.number])
    return turn


def enter_result(
    *, consultation: Consultation, by: User, examination: str, text: str, values: Sequence[Value] = ()
) -> Turn:
    """A result that the clinician has in hand becomes a finding."""
    if not (examination.strip() and text.strip()):
        raise Refused(SENTENCES["needs_text"])
    return _enter(consultation, by, "result_entered", TurnRole.ENVIRONMENT, examination, text, values)


def say(*, consultation: Consultation, by: User, text: str) -> Turn:
    """Anything else the clinician wants the agent to know."""
    if not text.strip():
        raise Refused(SENTENCES["needs_text"])
    with _steering(consultation, by) as (current, outbox):
        turn = _turn(current, by, role=TurnRole.CLINICIAN, text=text.strip())
        _tell(outbox, turn)
        _go_on(current, by, outbox)
        _audit(current, by, "said", turns=[turn.number])
    return turn


def stop(*, consultation: Consultation, by: User) -> None:
    """Ask the agent to stop. Its producer, in whatever process, closes the model's stream and says so."""
    with transaction.atomic():
        current = _locked(consultation, by)
        turn = current.turns.filter(status=TurnStatus.STREAMING).first()
        if turn is None:
            raise StaleStatus(SENTENCES["stale"])
        Turn.objects.filter(pk=turn.pk).update(stop_requested_at=timezone.now())
        _audit(current, by, "stop_asked", turns=[turn.number])
        transaction.on_commit(lambda: dispatch.stop(turn.pk))


def retry(*, consultation: Consultation, by: User) -> Turn:
    """The agent's turn once more, after it failed or was stopped."""
    with _steering(consultation, by) as (current, outbox):
        if current.status not in (ConsultationStatus.FAILED, ConsultationStatus.STOPPED):
            raise Refused(SENTENCES["nothing_to_retry"])
        turn = _agent_next(current, by, outbox)
        _audit(current, by, "retried", turns=[turn.number])
    return turn


def close(*, consultation: Consultation, by: User, diagnosis: str, note: str = "") -> None:
    """The clinician's own diagnosis ends the consultation."""
    if not diagnosis.strip():
        raise Refused(SENTENCES["needs_text"])
    with _steering(consultation, by) as (current, outbox):
        current.move_to(
            ConsultationStatus.CLOSED,
            by=by,
            diagnosis=diagnosis.strip(),
            closing_note=note.strip(),
            closed_at=timezone.now(),
        )
        outbox.add(EventType.STATE, {"state": "closed"}, turn=agent_turns.next_number(current) - 1)
        _publish(current, outbox)
        _audit(current, by, "closed")


@contextmanager
def _steering(consultation: Consultation, by: User) -> Iterator[tuple[Consultation, Outbox]]:
    """One transaction in which `by` alone moves this consultation, from a status in which that is allowed."""
    with transaction.atomic():
        current = _locked(consultation, by)
        if current.status == ConsultationStatus.CLOSED:
            raise Refused(SENTENCES["closed"])
        if current.status not in OPEN:
            raise Refused(SENTENCES["thinking"])
        try:
            yield current, Outbox(current)
        except IllegalTransition as error:
            raise StaleStatus(SENTENCES["stale"]) from error
    consultation.status, consultation.last_seq = current.status, current.last_seq


def _locked(consultation: Consultation, by: User) -> Consultation:
    # NO KEY UPDATE does not make the agent's event inserts wait, which refer to this row.
    rows = Consultation.objects.steerable_by(by).select_for_update(no_key=True, of=("self",))
    current = rows.select_related("case", "site").filter(pk=consultation.pk).first()
    if current is None:
        raise Refused(SENTENCES["not_yours"])
    return current


def _refuse_patient(consultation: Consultation) -> None:
    if consultation.case.kind == CaseKind.PATIENT:
        raise Refused(SENTENCES["enter_result"])


def _pending(consultation: Consultation, kind: ActionKind, refusal: str) -> str:
    """The target of the agent's last action, if that is of this kind."""
    last = consultation.turns.filter(role=TurnRole.AGENT, status=TurnStatus.COMPLETE).order_by("-number").first()
    action = (last.action if last else None) or {}
    if action.get("action") != kind:
        raise Refused(SENTENCES[refusal])
    return str(action["target"])


def _enter(
    consultation: Consultation,
    by: User,
    what: str,
    role: TurnRole,
    request: str,
    text: str,
    values: Sequence[Value] = (),
) -> Turn:
    with _steering(consultation, by) as (current, outbox):
        facts = {"role": role, "text": text.strip(), "request": request.strip()[:300], "source": Source.ENTERED}
        turn = _turn(current, by, **facts)
        Finding.objects.create(
            case=current.case,
            consultation=current,
            turn=turn,
            source=FindingSource.ENTERED,
            name=request.strip()[:200],
            text=text.strip(),
            values=[asdict(value) for value in values],
            by=by,
        )
        _tell(outbox, turn)
        _go_on(current, by, outbox)
        _audit(current, by, what, turns=[turn.number])
    return turn


def _world_turn(
    consultation: Consultation,
    by: User,
    outbox: Outbox,
    request: str,
    seen: Observation,
    *,
    role: TurnRole = TurnRole.ENVIRONMENT,
) -> Turn:
    """A world's answer as a turn; what is unavailable is only said, never kept as a fact."""
    matched = (seen.matched or "")[:200]
    facts = {"text": seen.text, "request": request[:300], "matched": matched, "source": seen.source}
    turn = _turn(consultation, by, role=role, **facts)
    keep(observation=seen, turn=turn, case=consultation.case)
    _tell(outbox, turn)
    return turn


def _turn(consultation: Consultation, by: User, **facts: Any) -> Turn:
    number = agent_turns.next_number(consultation)
    return Turn.objects.create(consultation=consultation, number=number, by=by, finished_at=timezone.now(), **facts)


def _tell(outbox: Outbox, turn: Turn) -> None:
    outbox.add(EventType.TURN, agent_turns.turn_data(turn, turn.text), turn=turn.number)


def _go_on(consultation: Consultation, by: User, outbox: Outbox) -> None:
    """The agent speaks next, unless the clinician plays alone."""
    if consultation.agent_called:
        _agent_next(consultation, by, outbox)
    else:
        outbox.add(EventType.DONE, {"status": consultation.status}, turn=agent_turns.next_number(consultation) - 1)
        _publish(consultation, outbox)


def _agent_next(consultation: Consultation, by: User, outbox: Outbox) -> Turn:
    turn = agent_turns.open_turn(consultation=consultation, by=by, outbox=outbox)
    _publish(consultation, outbox)
    transaction.on_commit(lambda: dispatch.produce(turn))
    return turn


def _publish(consultation: Consultation, outbox: Outbox) -> None:
    last = outbox.save()[-1].seq
    transaction.on_commit(lambda: dispatch.announce(consultation.pk, last))


def _audit(consultation: Consultation, by: User, what: str, **data: Any) -> None:
    # Last in every transaction: it takes the one lock of the audit chain.
    audit.record(
        by=by,
        action=f"consultation.{what}",
        noun="consultation",
        target=str(consultation.pk),
        data=data,
        site=consultation.site,
    )
