"""The life of an agent's turn in the database: opened, leased, completed, failed or stopped, always fenced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Max, Q
from django.db.models.functions import Now
from django.utils import timezone

from agents.codecs import by_name
from agents.types import MAX_TURNS, Action, ActionKind
from clinic.models import (
    Consultation,
    ConsultationStatus,
    Event,
    EventType,
    ModelOutput,
    Turn,
    TurnRole,
    TurnStatus,
    User,
)
from clinic.rendering import turn_html
from clinic.services import audit, dispatch, ledger
from clinic.services.errors import SENTENCES, sentence
from clinic.services.events import Outbox

MAX_ATTEMPTS = 12
"""A turn whose producers keep dying is given up, so that it cannot take every process down with it."""
COMPLETED: list[Callable[[Turn], None]] = []
"""Who else hears of a completed turn, inside its transaction; the other room adds itself when it starts."""
AFTER = {
    ActionKind.ASK: ConsultationStatus.WAITING,
    ActionKind.EXAMINE: ConsultationStatus.WAITING,
    ActionKind.DIAGNOSE: ConsultationStatus.DIAGNOSED,
    ActionKind.DEFER: ConsultationStatus.DEFERRED,
}


class LeaseLost(Exception):
    """Another producer has this turn now, or it is over; what this one still holds must not be written."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write one attempt of one turn."""

    turn_id: int
    consultation: UUID
    number: int
    attempt: int
    owner: UUID
    next_seq: int


@dataclass(frozen=True, slots=True)
class Spoken:
    """How an attempt went, as far as it is kept on the turn."""

    text: str = ""
    policy: dict[str, Any] | None = None
    first_token_ms: float | None = None
    tokens: int | None = None
    dropped: tuple[str, ...] = ()


def next_number(consultation: Consultation) -> int:
    """The caller holds the consultation's row lock."""
    return (consultation.turns.aggregate(last=Max("number"))["last"] or 0) + 1


def owes_answer(consultation: Consultation) -> bool:
    """Whether the agent takes part and nothing of what it said stands last: it failed, was stopped, or was undone."""
    if consultation.status in (ConsultationStatus.FAILED, ConsultationStatus.STOPPED):
        return True
    spoken = consultation.turns.filter(role=TurnRole.AGENT, retracted_at=None).order_by("-number").first()
    return consultation.agent_called and (spoken is None or spoken.status != TurnStatus.COMPLETE)


def open_turn(*, consultation: Consultation, by: User, outbox: Outbox) -> Turn:
    """The agent's next turn. It is born leased to this process, if this process produces turns."""
    said = consultation.turns.filter(role=TurnRole.AGENT, status=TurnStatus.COMPLETE, retracted_at=None)
    consultation.move_to(ConsultationStatus.THINKING, by=by)
    host = dispatch.here()
    born = {"attempt": 1, "lease_owner": host.owner, "lease_expires_at": _expiry()} if host else {}
    turn = Turn.objects.create(
        consultation=consultation,
        number=next_number(consultation),
        role=TurnRole.AGENT,
        status=TurnStatus.STREAMING,
        forced=said.count() >= MAX_TURNS,
        **born,
    )
    outbox.add(EventType.STATE, {"state": "thinking"}, turn=turn.number)
    if host:
        ModelOutput.objects.create(turn=turn, attempt=1)
    return turn


def _expiry() -> Any:
    # The database's clock, so that processes on machines with other clocks agree on what has expired.
    return Now() + timedelta(seconds=dispatch.lease_seconds())


def expired() -> list[int]:
    """Turns that nobody produces: the producer died, or never was."""
    overdue = Q(lease_expires_at__lt=Now()) | Q(lease_expires_at=None)
    return list(Turn.objects.filter(overdue, status=TurnStatus.STREAMING).values_list("pk", flat=True))


def take(*, turn_id: int, owner: UUID) -> Lease | None:
    """Lease an expired or never leased turn as a new attempt; None where somebody else was faster."""
    with transaction.atomic():
        turn = _locked(turn_id)
        taken = Turn.objects.filter(
            Q(lease_expires_at__lt=Now()) | Q(lease_expires_at=None), pk=turn_id, status=TurnStatus.STREAMING
        ).update(attempt=F("attempt") + 1, lease_owner=owner, lease_expires_at=_expiry())
        return _attempt(turn, owner) if taken else None


def again(*, lease: Lease, reason: str) -> Lease:
    """The next attempt by the same producer, after a malformed answer."""
    with transaction.atomic():
        turn = _fenced(lease)
        Turn.objects.filter(pk=turn.pk).update(attempt=F("attempt") + 1, lease_expires_at=_expiry())
        return _attempt(turn, lease.owner, reason)


def _attempt(turn: Turn, owner: UUID, reason: str = "recovered") -> Lease:
    turn.refresh_from_db(fields=["attempt"])
    ModelOutput.objects.create(turn=turn, attempt=turn.attempt)
    outbox = Outbox(turn.consultation)
    if turn.attempt > 1:
        data = {"state": "restarted", "reason": reason}
        outbox.add(EventType.STATE, data, turn=turn.number, attempt=turn.attempt)
        outbox.save()
    return lease_of(turn, owner)


def lease_of(turn: Turn, owner: UUID) -> Lease:
    """The lease that `turn` carries, with the number that its first event will have."""
    newest = Event.objects.filter(consultation=turn.consultation_id).aggregate(last=Max("seq"))["last"] or 0
    return Lease(turn.pk, turn.consultation_id, turn.number, turn.attempt, owner, newest + 1)


def complete(*, lease: Lease, action: Action, spoken: Spoken) -> list[Event]:
    """The agent said exactly one action."""
    status = AFTER[action.kind]
    with transaction.atomic():
        turn = _fenced(lease)
        _finish(turn, TurnStatus.COMPLETE, spoken, text=action.reason, action=action.as_dict())
        ledger.add_from_agent(turn.consultation, action)
        turn.consultation.move_to(status, by=None)
        ModelOutput.objects.filter(turn=turn, attempt=lease.attempt).update(complete=True)
        events = _last_words(turn, spoken, EventType.DONE, {"status": status, "action": str(action.kind)})
        for hear in COMPLETED:
            hear(turn)
        _audit(turn, "completed", action=str(action.kind))
    return events


def fail(*, lease: Lease, code: str, spoken: Spoken) -> list[Event]:
    """The agent did not answer; `code` names the sentence that says what to do."""
    with transaction.atomic():
        turn = _fenced(lease)
        # What could not be read as one action is not shown as half of one either.
        text = "" if code == "malformed" else readable(turn, spoken.text)
        _finish(turn, TurnStatus.FAILED, spoken, text=text, error_code=code)
        turn.consultation.move_to(ConsultationStatus.FAILED, by=None, reason=code)
        events = _last_words(turn, spoken, EventType.ERROR, {"code": code, "sentence": sentence(code)})
        _audit(turn, "failed", code=code)
    return events


def halt(*, lease: Lease, spoken: Spoken) -> list[Event]:
    """The clinician stopped it; the part that was said is kept."""
    with transaction.atomic():
        turn = _fenced(lease)
        _finish(turn, TurnStatus.STOPPED, spoken, text=readable(turn, spoken.text))
        turn.consultation.move_to(ConsultationStatus.STOPPED, by=None)
        done = {"status": ConsultationStatus.STOPPED, "sentence": SENTENCES["stopped"]}
        events = _last_words(turn, spoken, EventType.DONE, done, state="stopped")
        _audit(turn, "stopped")
    return events


def readable(turn: Turn, raw: str) -> str:
    """An unfinished answer as far as it was said, in words instead of the wire form."""
    pieces = by_name(turn.consultation.model_version.codec).stream().feed(raw)
    fields = ["".join(piece.text for piece in pieces if piece.field == name) for name in ("target", "reason")]
    return "\n".join(text for text in fields if text.strip())


def release(*, owner: UUID) -> None:
    """Give back every lease of a process that ends in order, so that a successor need not wait for expiry."""
    Turn.objects.filter(lease_owner=owner, status=TurnStatus.STREAMING).update(lease_expires_at=Now())


def _locked(turn_id: int) -> Turn:
    """The turn with its consultation's row locked first: the one order in which rows are locked everywhere.

    NO KEY UPDATE, because a plain FOR UPDATE would also wait for every insert that refers to the row.
    """
    owner = Turn.objects.values_list("consultation_id", flat=True).get(pk=turn_id)
    consultation = Consultation.objects.select_for_update(no_key=True).get(pk=owner)
    turn = Turn.objects.select_for_update(no_key=True).get(pk=turn_id)
    turn.consultation = consultation
    return turn


def _fenced(lease: Lease) -> Turn:
    turn = _locked(lease.turn_id)
    held = (turn.lease_owner, turn.attempt, turn.status) == (lease.owner, lease.attempt, TurnStatus.STREAMING)
    if not held:
        raise LeaseLost(f"turn {lease.turn_id} attempt {lease.attempt}")
    return turn


def _finish(turn: Turn, status: TurnStatus, spoken: Spoken, **changes: Any) -> None:
    turn.move_to(
        status,
        by=None,
        policy=spoken.policy,
        first_token_ms=spoken.first_token_ms,
        tokens=spoken.tokens,
        dropped=list(spoken.dropped),
        finished_at=timezone.now(),
        lease_expires_at=None,
        **changes,
    )


def _last_words(
    turn: Turn, spoken: Spoken, last: EventType, data: dict[str, Any], *, state: str | None = None
) -> list[Event]:
    outbox = Outbox(turn.consultation)
    if state:
        outbox.add(EventType.STATE, {"state": state}, turn=turn.number, attempt=turn.attempt)
    outbox.add(EventType.TURN, turn_data(turn, spoken.text), turn=turn.number, attempt=turn.attempt)
    outbox.add(last, data, turn=turn.number, attempt=turn.attempt)
    return outbox.save()


def turn_data(turn: Turn, text: str) -> dict[str, Any]:
    """What replaces the provisional text: `html` is rendered and sanitised here, `text` is what was said."""
    return {"number": turn.number, "html": turn_html(turn), "text": text}


def _audit(turn: Turn, what: str, **data: Any) -> None:
    facts = {"turn": turn.number, "attempt": turn.attempt, **data}
    consultation = turn.consultation
    audit.record(
        by=None,
        action=f"agent_turn.{what}",
        noun="consultation",
        target=str(consultation.pk),
        data=facts,
        site=consultation.site,
    )
