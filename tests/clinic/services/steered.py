"""A consultation that the tests steer: the agent says what it is told to say, nothing is produced."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from agents.types import Action, ActionKind, Hypothesis, HypothesisGroup
from clinic.models import Consultation, Event, LedgerEntry, ModelOutput, ModelVersion, Training, Turn
from clinic.services import agent_turns, consultations, dispatch
from clinic.services.agent_turns import Lease, Spoken
from tests.clinic.factories import make_case, make_serving_agent, make_user

DIFFERENTIAL = (
    Hypothesis("Pneumonia", 0.5),
    Hypothesis("Pulmonary embolism", 0.2, HypothesisGroup.CANT_MISS),
)


class Host:
    """Stands where a web process's host does, and only writes down what it is told."""

    def __init__(self) -> None:
        self.owner = uuid.uuid4()
        self.produced: list[Turn] = []
        self.stopped: list[int] = []
        self.announced: list[tuple[uuid.UUID, int]] = []

    def produce(self, turn: Turn) -> None:
        self.produced.append(turn)

    def stop(self, turn_id: int) -> None:
        self.stopped.append(turn_id)

    def announce(self, consultation: uuid.UUID, seq: int) -> None:
        self.announced.append((consultation, seq))


@pytest.fixture
def host() -> Iterator[Host]:
    host = Host()
    dispatch.register(host)
    yield host
    dispatch.unregister(host)


def started(kind: str = "virtual", **case: Any) -> Consultation:
    make_serving_agent()
    if kind == "patient":
        ModelVersion.objects.update(training=Training.EXTERNAL)
    return consultations.start(case=make_case(kind, **case), by=make_user())


def alone() -> Consultation:
    make_serving_agent()
    return consultations.start(case=make_case("virtual"), by=make_user(), alone=True)


def lease(host: Host, turn: Turn) -> Lease:
    return agent_turns.lease_of(turn, host.owner)


def open_turn() -> Turn:
    return Turn.objects.select_related("consultation").get(status="streaming")


def speaks(
    host: Host,
    kind: str = "examine",
    target: str = "CRP",
    reason: str = "Fever.",
    differential: tuple[Hypothesis, ...] = DIFFERENTIAL,
) -> Consultation:
    """The agent's open turn ends with this action."""
    turn = open_turn()
    action = Action(ActionKind(kind), target, reason, differential)
    # What the committer does while the model speaks.
    ModelOutput.objects.filter(turn=turn, attempt=turn.attempt).update(text=f"raw {target} {turn.number}")
    agent_turns.complete(lease=lease(host, turn), action=action, spoken=Spoken(text=f"raw {target} {turn.number}"))
    return Consultation.objects.select_related("case", "clinician").get(pk=turn.consultation_id)


def reasons(consultation: Consultation) -> dict[int, str]:
    """A word for every can't-miss hypothesis that is still open."""
    return {entry.pk: "Unlikely." for entry in LedgerEntry.objects.filter(consultation=consultation, status="open")}


def seqs(consultation: Consultation) -> list[int]:
    return list(Event.objects.filter(consultation=consultation).order_by("seq").values_list("seq", flat=True))
