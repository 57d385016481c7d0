"""Which world answers for a case, and where its answers may be kept."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, Protocol, TypeVar

from agents.types import Observation, Source
from agents.world.record import RecordWorld
from agents.world.virtual_world import VirtualWorld
from clinic.models import Case, CaseKind, Finding, FindingSource, SimulatedResult, Turn, TurnRole, WorldBackend
from clinic.services.records import case_record

Answer = TypeVar("Answer")
VIRTUAL_KEY = "virtual:"
AUTHORED, VIRTUAL, LANGUAGE = "authored", "virtual", "language"


class World(Protocol):
    async def examine(self, request: str) -> list[Observation]: ...

    async def ask(self, question: str) -> Observation: ...


def world_for(case: Case) -> World:
    """What answers in place of a patient; a real patient's case has none (ValueError)."""
    if case.kind == CaseKind.PATIENT:
        raise ValueError("a real patient's case is answered by its clinician, never by a world")
    if case.key.startswith(VIRTUAL_KEY):
        return VirtualWorld(case.key)
    source = Source.RECORDED if case.kind == CaseKind.RECORD else Source.SIMULATED
    return RecordWorld(case_record(case), source=source, version=case.content_hash[:12])


def ask_world(question: Coroutine[Any, Any, Answer]) -> Answer:
    """Await a world from a service. In a thread of its own: the caller's may already run an event loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, question).result()


def _writer(turn: Turn, case: Case) -> str:
    """Which world wrote a simulated result; questions are answered by the case itself, on a language world too."""
    if turn.role == TurnRole.ENVIRONMENT and turn.consultation.world == WorldBackend.LANGUAGE:
        return LANGUAGE
    return VIRTUAL if case.key.startswith(VIRTUAL_KEY) else AUTHORED


def keep(*, observation: Observation, turn: Turn, case: Case) -> None:
    """The row behind an answer: a finding from a record, a simulated result from a virtual patient, else none."""
    name = (observation.matched or observation.request)[:200]
    facts: dict[str, Any] = {
        "case": case,
        "consultation": turn.consultation,
        "turn": turn,
        "name": name,
        "text": observation.text,
        "values": [asdict(value) for value in observation.values],
    }
    if observation.source == Source.RECORDED:
        Finding.objects.create(source=FindingSource.RECORDED, **facts)
    elif observation.source == Source.SIMULATED:
        SimulatedResult.objects.create(
            case_kind=case.kind,
            world=_writer(turn, case),
            world_version=observation.version or "",
            model=observation.model or "",
            seed=observation.seed,
            **facts,
        )
