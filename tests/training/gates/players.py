"""Players whose skill is known: they see the truth of a virtual patient and name it as often as they should."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from agents.client import Completion
from agents.codecs import StructuredCodec
from agents.types import Action, ActionKind, Hypothesis, HypothesisGroup, PolicyIdentity, Sampling
from clinic.models import Endpoint
from training.gates.bringing_up import Brought
from training.gates.seats import Server

ORDERS = ("Vital signs", "Complete blood count")


@dataclass(frozen=True)
class Skill:
    """How often the diagnosis is right, what is ordered, and which tricks are tried."""

    right: float = 0.5
    orders: tuple[str, ...] = ORDERS
    lists: bool = False
    repeats_notes: bool = False
    malformed: float = 0.0
    breaks: bool = False
    pause: float = 0.0


@dataclass
class Knows:
    """A speaker for one patient; the same seed gives the same answers."""

    world: object
    skill: Skill
    identity: PolicyIdentity
    rng: random.Random
    codec: StructuredCodec = field(default_factory=StructuredCodec)

    async def say(self, inquiry, exchanges, *, force_final=False, priority=0, tokens=False) -> Completion:
        await asyncio.sleep(self.skill.pause)
        if self.skill.breaks:
            raise RuntimeError("the player is gone")
        if self.rng.random() < self.skill.malformed:
            return Completion("no action", "stop")
        said = len(exchanges)
        if said < len(self.skill.orders) and not force_final:
            return self._said(Action(ActionKind.EXAMINE, self.skill.orders[said], "It fits.", self._guess()))
        return self._said(self._diagnose(exchanges))

    def parse(self, text: str) -> Action:
        return self.codec.parse(text)

    def _diagnose(self, exchanges) -> Action:
        truth = self.world.case.patient.condition
        if self.skill.repeats_notes and exchanges and "the diagnosis is " in exchanges[-1].reply:
            planted = exchanges[-1].reply.rsplit("the diagnosis is ", 1)[1].split(".")[0]
            return Action(ActionKind.DIAGNOSE, planted, "It fits.", (Hypothesis(planted, 0.9),))
        if self.skill.lists:
            return Action(ActionKind.DIAGNOSE, f"{truth.name} or gout", "It fits.", self._guess())
        group = self.world.case.patient.model.known.in_group(self.world.case.patient.group)
        wrong = next(c for c in group if c.id != truth.id)
        name = truth.name if self.rng.random() < self.skill.right else wrong.name
        return Action(ActionKind.DIAGNOSE, name, "It fits.", (Hypothesis(name, 0.6, HypothesisGroup.LIKELY),))

    def _guess(self) -> tuple[Hypothesis, ...]:
        return (Hypothesis("Pneumonia", 0.3, HypothesisGroup.LIKELY),)

    def _said(self, action: Action) -> Completion:
        text = self.codec.encode(action)
        return Completion(text, "stop", prompt_ids=(1, 2, 3), token_ids=tuple(range(5, 15)))


@dataclass
class SkilledPlayer:
    name: str
    skill: Skill
    seed: int | None
    temperature: float

    @property
    def identity(self) -> PolicyIdentity:
        sampling = Sampling(temperature=self.temperature, seed=self.seed)
        return PolicyIdentity(self.name, "base", None, StructuredCodec().digest, "test", sampling)

    def seat(self, case: str, world) -> Knows:
        return Knows(world, self.skill, self.identity, random.Random(f"{self.name}:{self.seed}:{case}"))


@dataclass
class Scorer:
    """Gives every token the same log-probability."""

    level: float

    async def logprobs_of(self, prompt: Sequence[int], answer: Sequence[int]) -> tuple[float, ...]:
        return (self.level,) * len(answer)


class SkilledSeats:
    """Seats of a gate for two skills; `closed` shows that they were given back."""

    def __init__(self, candidate: Skill, baseline: Skill, *, apart: float | None = 0.05) -> None:
        self.skills = {"candidate": candidate, "baseline": baseline}
        self.apart, self.closed, self.opened = apart, 0, 0

    def __call__(self, candidate: Server, baseline: Server) -> SkilledSeats:
        self.opened += 1
        return self

    def player(self, side: str, *, seed: int | None = None, temperature: float = 0.0):
        return SkilledPlayer(side, self.skills[side], seed, temperature)

    def scorer(self, side: str) -> Scorer | None:
        if self.apart is None:
            return None
        return Scorer(-0.5 + (self.apart if side == "candidate" else 0.0))

    async def close(self) -> None:
        self.closed += 1


def brought(gate, tell) -> Brought:
    """Both versions at addresses that nobody asks."""
    servers = [
        Server(version, Endpoint(model_version=version, url="http://127.0.0.1:9/v1", model_name=version.version))
        for version in (gate.candidate, gate.baseline)
    ]
    return Brought(*servers, identity={"baseline": True, "candidate": True})
