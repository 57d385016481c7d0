"""How every verb moves a consultation: one transaction, one steersman, turns and events together, then the agent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from agents.types import ActionKind, Observation, Source
from clinic.facts import read_facts
from clinic.models import (
    CaseKind,
    Commitment,
    Consultation,
    ConsultationStatus,
    EventType,
    IllegalTransition,
    StaleStatus,
    Turn,
    TurnRole,
    TurnStatus,
    User,
)
from clinic.services import agent_turns, audit, dispatch, red_flags
from clinic.services.errors import SENTENCES, Refused
from clinic.services.events import Outbox
from clinic.services.holding import locked
from clinic.services.worlds import keep

OPEN = (
    ConsultationStatus.WAITING,
    ConsultationStatus.STOPPED,
    ConsultationStatus.FAILED,
    ConsultationStatus.DIAGNOSED,
    ConsultationStatus.DEFERRED,
)


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The agent's last action, about which nothing has been done yet."""

    turn: Turn
    kind: ActionKind
    target: str

    @property
    def differential(self) -> list[dict[str, Any]]:
        return list((self.turn.action or {}).get("differential") or [])


class Step:
    """One thing that one person does; its turns carry one moment, by which they are undone together."""

    def __init__(self, consultation: Consultation, by: User) -> None:
        self.consultation, self.by = consultation, by
        self.outbox = Outbox(consultation)
        self.at: datetime = timezone.now()
        self.turns: list[Turn] = []

    def turn(self, role: TurnRole, **facts: Any) -> Turn:
        self._refuse_simulated(facts.get("source", ""))
        facts = {name: storable(value) if isinstance(value, str) else value for name, value in facts.items()}
        number = agent_turns.next_number(self.consultation)
        made = Turn.objects.create(
            consultation=self.consultation, number=number, by=self.by, role=role, finished_at=self.at, **facts
        )
        self.turns.append(made)
        return made

    def world_turn(self, request: str, seen: Observation, role: TurnRole = TurnRole.ENVIRONMENT) -> Turn:
        """A world's answer as a turn; what is unavailable is only said, never kept as a fact."""
        matched = (seen.matched or "")[:200]
        turn = self.turn(role, text=seen.text, request=request[:300], matched=matched, source=seen.source)
        keep(observation=seen, turn=turn, case=self.consultation.case)
        self.tell(turn)
        return turn

    def tell(self, turn: Turn, text: str | None = None) -> None:
        data = agent_turns.turn_data(turn, turn.text if text is None else text)
        self.outbox.add(EventType.TURN, data, turn=turn.number)

    def state(self, word: str, **data: Any) -> None:
        """Open pages redraw what changes with a turn."""
        newest = agent_turns.next_number(self.consultation) - 1
        self.outbox.add(EventType.STATE, {"state": word, **data}, turn=newest)
        self.publish()

    def go_on(self) -> None:
        """Red flags first; then the agent speaks, unless the clinician plays alone or has yet to commit."""
        if self.consultation.agent_called and not self.waits_for_commitment:
            self.agent_next()
            return
        red_flags.raise_flags(self.consultation, read_facts(self.consultation), self.outbox)
        newest = agent_turns.next_number(self.consultation) - 1
        self.outbox.add(EventType.DONE, {"status": self.consultation.status}, turn=newest)
        self.publish()

    @property
    def waits_for_commitment(self) -> bool:
        """The agent is not even asked before the clinician's own differential stands."""
        current = self.consultation
        return current.independent_first and not Commitment.objects.filter(consultation=current).exists()

    def agent_next(self) -> Turn:
        if self.waits_for_commitment:
            raise Refused(SENTENCES["commit_first"])
        # The rules come before the model is asked, so that nothing it says, or its silence, holds them up.
        red_flags.raise_flags(self.consultation, read_facts(self.consultation), self.outbox)
        turn = agent_turns.open_turn(consultation=self.consultation, by=self.by, outbox=self.outbox)
        self.publish()
        transaction.on_commit(lambda: dispatch.produce(turn))
        return turn

    def publish(self) -> None:
        last = self.outbox.save()[-1].seq
        transaction.on_commit(lambda: dispatch.announce(self.consultation.pk, last))

    def audit(self, what: str, **data: Any) -> None:
        # Last in every transaction: it takes the one lock of the audit chain.
        numbers = {"turns": [turn.number for turn in self.turns]} if self.turns else {}
        record(self.consultation, self.by, what, **numbers, **data)

    def _refuse_simulated(self, source: str) -> None:
        """The last line before the database's own: no verb may say anything simulated about a real patient."""
        if source == Source.SIMULATED and self.consultation.case.kind == CaseKind.PATIENT:
            raise Refused(SENTENCES["simulated_on_patient"])


@contextmanager
def steering(
    consultation: Consultation, by: User, *, about: Recommendation | None = None, paused: bool = False
) -> Iterator[Step]:
    """One transaction in which `by` alone moves this consultation, from a status in which that is allowed.

    `about` is the recommendation that this step answers, read before the lock: still the last, or it is stale.
    With `paused` the step is allowed in a pause too.
    """
    with transaction.atomic():
        current = locked(consultation, by)
        _refuse_unless_open(current, paused=paused)
        if about and _last_spoken(current) != about.turn:
            raise StaleStatus(SENTENCES["stale"])
        try:
            yield Step(current, by)
        except IllegalTransition as error:
            raise StaleStatus(SENTENCES["stale"]) from error
    consultation.status, consultation.last_seq = current.status, current.last_seq


def storable(text: str) -> str:
    """Without NUL characters, which the database refuses and nobody meant to type."""
    return text.replace("\0", "")


def refuse_early(consultation: Consultation, by: User) -> None:
    """Before a world is asked: whoever may not take the step costs nothing. The lock still decides afterwards."""
    current = Consultation.objects.steerable_by(by).filter(pk=consultation.pk).first()
    if current is None:
        raise Refused(SENTENCES["not_yours"])
    _refuse_unless_open(current)


def _refuse_unless_open(current: Consultation, *, paused: bool = False) -> None:
    if current.status == ConsultationStatus.CLOSED:
        raise Refused(SENTENCES["closed"])
    if current.status not in OPEN:
        raise Refused(SENTENCES["thinking"])
    if current.paused_at and not paused:
        raise Refused(SENTENCES["paused"])


def refuse_patient(consultation: Consultation) -> None:
    """No world answers for a real patient."""
    if consultation.case.kind == CaseKind.PATIENT:
        raise Refused(SENTENCES["enter_result"])


def recommendation(consultation: Consultation) -> Recommendation | None:
    """What the agent last said, if it is one readable action."""
    last = _last_spoken(consultation)
    action = (last.action if last else None) or {}
    if last is None or not action:
        return None
    return Recommendation(last, ActionKind(action["action"]), str(action["target"]))


def live(consultation: Consultation) -> list[Turn]:
    """Every turn that was not undone."""
    return list(consultation.turns.filter(retracted_at=None))


def record(consultation: Consultation, by: User, what: str, **data: Any) -> None:
    """One entry of the audit log about this consultation."""
    audit.record(
        by=by,
        action=f"consultation.{what}",
        noun="consultation",
        target=str(consultation.pk),
        data=data,
        site=consultation.site,
    )


def numbers(turns: Sequence[Turn]) -> list[int]:
    return [turn.number for turn in turns]


def _last_spoken(consultation: Consultation) -> Turn | None:
    spoken = consultation.turns.filter(role=TurnRole.AGENT, status=TurnStatus.COMPLETE, retracted_at=None)
    return spoken.order_by("-number").first()
