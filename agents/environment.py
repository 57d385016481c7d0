"""One consultation as an environment: reset, then a step per action; used for one episode and thrown away."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from agents import examinations
from agents.types import Action, ActionKind, CaseRecord, Inquiry, Observation, Source


class World(Protocol):
    """What answers in place of a patient: a record, a virtual patient, a language model."""

    async def examine(self, request: str) -> list[Observation]: ...

    async def ask(self, question: str) -> Observation: ...


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one action brought; `done` after Diagnose and Defer."""

    observations: tuple[Observation, ...] = ()
    done: bool = False


@dataclass(slots=True)
class Cost:
    """What was ordered: examinations that were answered, US dollars and minutes (the catalogue's estimates)."""

    examinations: int = 0
    questions: int = 0
    usd: float = 0.0
    minutes: float = 0.0
    seen: set[str] = field(default_factory=set)

    def add(self, observation: Observation) -> None:
        """A result that is not to be had costs nothing, and the same result is paid once."""
        if observation.source is Source.UNAVAILABLE:
            return
        name = observation.matched or observation.request
        if name in self.seen:
            return
        self.seen.add(name)
        self.examinations += 1
        hits = examinations.match(name)
        entry = examinations.find(hits[0].exam) if len(hits) == 1 else None
        if entry:
            self.usd += entry.cost
            self.minutes += entry.delay

    def as_dict(self) -> dict[str, float]:
        return {
            "examinations": self.examinations,
            "questions": self.questions,
            "usd": round(self.usd, 2),
            "minutes": round(self.minutes, 1),
        }


class ConsultationEnv:
    """A world and the record behind it. The agent sees the inquiry and observations, never the record."""

    def __init__(self, world: World, record: CaseRecord) -> None:
        self.world = world
        self.case = record.id
        self.cost = Cost()
        self.done = False
        self._inquiry = record.inquiry()

    @property
    def identity(self) -> dict[str, Any]:
        """Which world answers: {"backend", "version", "seed"}."""
        return dict(getattr(self.world, "identity", None) or {"backend": type(self.world).__name__})

    async def reset(self) -> Inquiry:
        """The presentation; the environment starts anew."""
        self.cost = Cost()
        self.done = False
        return self._inquiry

    async def step(self, action: Action) -> StepResult:
        """What the action brings; RuntimeError after the last. What the world raises passes through."""
        if self.done:
            raise RuntimeError("the consultation is over: reset the environment")
        if action.kind.is_final:
            self.done = True
            return StepResult(done=True)
        if action.kind is ActionKind.ASK:
            self.cost.questions += 1
            return StepResult((await self.world.ask(action.target),))
        observations = tuple(await self.world.examine(action.target))
        for observation in observations:
            self.cost.add(observation)
        return StepResult(observations)
