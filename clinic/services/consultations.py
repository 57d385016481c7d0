"""What a clinician can do with a consultation: one verb, one transaction, and then the agent speaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import uuid4

from django.db import transaction
from django.utils import timezone

from agents.examinations import same
from agents.types import ActionKind, Observation, Source, Value
from clinic.facts import read_facts
from clinic.models import (
    Case,
    CaseKind,
    Consultation,
    ConsultationStatus,
    EventType,
    FeedbackKind,
    Finding,
    FindingSource,
    StaleStatus,
    Turn,
    TurnRole,
    TurnStatus,
    User,
    WorldBackend,
)
from clinic.services import agent_turns, dispatch, feedback, independent, language_world, ledger, red_flags, versions
from clinic.services.errors import SENTENCES, Refused
from clinic.services.holding import locked
from clinic.services.steering import (
    Recommendation,
    Step,
    recommendation,
    record,
    refuse_early,
    refuse_patient,
    steering,
    storable,
)
from clinic.services.worlds import ask_world, world_for

AT_ONCE = 10
"""Examinations in one order."""


def start(*, case: Case, by: User, alone: bool = False, language: bool = False) -> Consultation:
    """Open a consultation with the policy that serves now, pinned to the end, and its first agent turn.

    With `alone` the agent keeps silent until it is called: the clinician plays the case, and its world answers.
    With `language` a world model writes the results of examinations instead of the case itself.
    """
    if not by.may_consult:
        raise Refused(SENTENCES["may_not_consult"])
    key = uuid4()
    version, endpoint = versions.agent_for(key, of_patient=case.kind == CaseKind.PATIENT)
    if case.kind == CaseKind.PATIENT and not version.may_see_patients:
        raise Refused(SENTENCES["untrained_patient"])
    if alone and case.kind == CaseKind.PATIENT:
        raise Refused(SENTENCES["patient_alone"])
    world = language_world.choice(case) if language else {}
    with transaction.atomic():
        consultation = Consultation.objects.create(
            id=key,
            site=case.site,
            case=case,
            clinician=by,
            model_version=version,
            endpoint=endpoint,
            agent_called=not alone,
            independent_first=independent.wanted(by) and not alone,
            **world,
        )
        if by.seen_version_id is None:
            User.objects.filter(pk=by.pk).update(seen_version=version)
        facts = read_facts(consultation)
        ledger.open_ledger(consultation, facts)
        step = Step(consultation, by)
        if alone or consultation.independent_first:
            red_flags.raise_flags(consultation, facts)
        else:
            step.agent_next()
        step.audit("started", case=str(case.pk), version=version.version, alone=alone, world=consultation.world)
    return consultation


def call_agent(*, consultation: Consultation, by: User) -> Turn:
    """The agent, silent so far, takes part from here on: it is told everything and speaks next."""
    with steering(consultation, by) as step:
        if step.consultation.agent_called:
            raise Refused(SENTENCES["agent_is_there"])
        step.consultation.agent_called = True
        step.consultation.save(update_fields=["agent_called"])
        turn = step.agent_next()
        step.audit("agent_called", turns=[turn.number])
    return turn


def ask(*, consultation: Consultation, by: User, question: str) -> Turn:
    """The clinician's own question, answered by the case's world."""
    refuse_patient(consultation)
    if not question.strip():
        raise Refused(SENTENCES["needs_text"])
    refuse_early(consultation, by)
    observation = ask_world(world_for(consultation.case).ask(question))
    with steering(consultation, by) as step:
        step.tell(step.turn(TurnRole.CLINICIAN, text=question.strip()))
        turn = step.world_turn(question.strip(), observation, TurnRole.PATIENT)
        step.go_on()
        step.audit("asked")
    return turn


def order(*, consultation: Consultation, by: User, examination: str = "") -> Turn:
    """Do the examination the agent recommends, or another one; the case's world answers. The first result's turn."""
    wanted = [examination] if examination.strip() else []
    return order_many(consultation=consultation, by=by, examinations=wanted)[0]


def order_many(*, consultation: Consultation, by: User, examinations: Sequence[str] = ()) -> list[Turn]:
    """Several at once, or none for the recommended one; all results come before the agent speaks again."""
    refuse_patient(consultation)
    about = recommendation(consultation)
    requests = list(dict.fromkeys(name.strip() for name in examinations if name.strip()))
    if len(requests) > AT_ONCE:
        raise Refused(SENTENCES["too_many_at_once"].format(most=AT_ONCE))
    if not requests:
        requests = [_wanted(about, ActionKind.EXAMINE, "nothing_to_order").target]
    refuse_early(consultation, by)
    results = _examined(consultation, requests, by)
    with steering(consultation, by, about=about) as step:
        _decide(step, about, requests, "ordered")
        for request, seen in results:
            step.world_turn(request, seen)
        step.go_on()
        step.audit("ordered")
    return step.turns


def answer(*, consultation: Consultation, by: User, text: str = "") -> Turn:
    """Answer the agent's question; with no text, and no real patient, the case's world answers."""
    about = _wanted(recommendation(consultation), ActionKind.ASK, "nothing_to_answer")
    if text.strip():
        return _enter(consultation, by, "answered", TurnRole.CLINICIAN, about.target, text, about=about)
    if consultation.case.kind == CaseKind.PATIENT:
        raise Refused(SENTENCES["needs_text"])
    refuse_early(consultation, by)
    observation = ask_world(world_for(consultation.case).ask(about.target))
    with steering(consultation, by, about=about) as step:
        _decide(step, about, [about.target], "answered")
        turn = step.world_turn(about.target, observation, TurnRole.PATIENT)
        step.go_on()
        step.audit("answered")
    return turn


def enter_result(
    *, consultation: Consultation, by: User, examination: str, text: str, values: Sequence[Value] = ()
) -> Turn:
    """A result that the clinician has in hand becomes a finding: one or several numbers, a report, or both."""
    if not (examination.strip() and text.strip()):
        raise Refused(SENTENCES["needs_text"])
    about = recommendation(consultation)
    return _enter(
        consultation, by, "result_entered", TurnRole.ENVIRONMENT, examination, text, values=values, about=about
    )


def say(*, consultation: Consultation, by: User, text: str) -> Turn:
    """A question to the agent, or anything else it should know."""
    if not text.strip():
        raise Refused(SENTENCES["needs_text"])
    with steering(consultation, by) as step:
        turn = step.turn(TurnRole.CLINICIAN, text=text.strip())
        step.tell(turn)
        step.go_on()
        step.audit("said")
    return turn


def stop(*, consultation: Consultation, by: User) -> None:
    """Ask the agent to stop. Its producer, in whatever process, closes the model's stream and says so."""
    with transaction.atomic():
        current = locked(consultation, by)
        turn = current.turns.filter(status=TurnStatus.STREAMING).first()
        if turn is None:
            raise StaleStatus(SENTENCES["stale"])
        Turn.objects.filter(pk=turn.pk).update(stop_requested_at=timezone.now())
        record(current, by, "stop_asked", turns=[turn.number])
        transaction.on_commit(lambda: dispatch.stop(turn.pk))


def retry(*, consultation: Consultation, by: User) -> Turn:
    """The agent's turn once more, after it failed or was stopped; also where an undo left it without an answer."""
    with steering(consultation, by) as step:
        if not agent_turns.owes_answer(step.consultation):
            raise Refused(SENTENCES["nothing_to_retry"])
        turn = step.agent_next()
        step.audit("retried", turns=[turn.number])
    return turn


def close(
    *, consultation: Consultation, by: User, diagnosis: str, note: str = "", reasons: Mapping[int, str] | None = None
) -> None:
    """The clinician's own diagnosis ends it; `reasons` says why a can't-miss hypothesis, by its entry, stays open."""
    if not diagnosis.strip():
        raise Refused(SENTENCES["needs_text"])
    with steering(consultation, by, paused=True) as step:
        current = step.consultation
        accepted = ledger.settle(current, by, reasons or {})
        about = recommendation(current)
        feedback.give(
            kind=FeedbackKind.DIAGNOSIS,
            by=by,
            consultation=current,
            turn=about.turn if about else None,
            target=diagnosis.strip(),
            data={"agent": _agents(about)},
        )
        current.move_to(
            ConsultationStatus.CLOSED,
            by=by,
            diagnosis=diagnosis.strip(),
            closing_note=note.strip(),
            closed_at=timezone.now(),
            paused_at=None,
            paused_until=None,
        )
        step.outbox.add(EventType.STATE, {"state": "closed"}, turn=agent_turns.next_number(current) - 1)
        step.publish()
        step.audit("closed", accepted=[entry.pk for entry in accepted])


def _wanted(about: Recommendation | None, kind: ActionKind, refusal: str) -> Recommendation:
    """The agent's last action, if that is of this kind."""
    if about is None or about.kind != kind:
        raise Refused(SENTENCES[refusal])
    return about


def _examined(consultation: Consultation, requests: Sequence[str], by: User) -> list[tuple[str, Observation]]:
    if consultation.world == WorldBackend.LANGUAGE:
        return language_world.examine(consultation, requests, by=by)
    world = world_for(consultation.case)
    return [(request, seen) for request in requests for seen in ask_world(world.examine(request))]


def _enter(
    consultation: Consultation,
    by: User,
    what: str,
    role: TurnRole,
    request: str,
    text: str,
    *,
    values: Sequence[Value] = (),
    about: Recommendation | None,
) -> Turn:
    request, text = storable(request), storable(text)
    with steering(consultation, by, about=about) as step:
        _decide(step, about, [request], what)
        turn = step.turn(role, text=text.strip(), request=request.strip()[:300], source=Source.ENTERED)
        Finding.objects.create(
            case=step.consultation.case,
            consultation=step.consultation,
            turn=turn,
            source=FindingSource.ENTERED,
            name=request.strip()[:200],
            text=text.strip(),
            values=[asdict(value) for value in values],
            by=by,
        )
        step.tell(turn)
        step.go_on()
        step.audit(what)
    return turn


def _decide(step: Step, about: Recommendation | None, done: Sequence[str], how: str) -> None:
    """What this step says about the agent's recommendation: followed, or something else done in its place."""
    if about is None or about.kind == ActionKind.DEFER:
        return
    if how == "result_entered" and about.kind != ActionKind.EXAMINE:
        return
    followed = any(_is_same(about, one, how) for one in done)
    feedback.give(
        kind=FeedbackKind.ACCEPTED if followed else FeedbackKind.REPLACED,
        by=step.by,
        consultation=step.consultation,
        turn=about.turn,
        target=about.target,
        data={"action": str(about.kind), "how": how, "done": list(done)},
    )


def _is_same(about: Recommendation, done: str, how: str) -> bool:
    if about.kind == ActionKind.ASK:
        return how == "answered"
    if about.kind != ActionKind.EXAMINE:
        return False
    return done.casefold().strip() == about.target.casefold().strip() or same(done, about.target)


def _agents(about: Recommendation | None) -> dict[str, Any] | None:
    """What the agent thought when the clinician decided."""
    if about is None:
        return None
    return {"action": str(about.kind), "target": about.target, "differential": about.differential}
