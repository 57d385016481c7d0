"""Players: what can be evaluated. Each takes a seat in one case and then speaks like any policy.

`random` orders random examinations and lets the oracle name the diagnosis (decisions.md 20); `greedy-oracle` asks and
orders what the oracle's planner values most. Both see the virtual clinic's own model of the world, and speak in the
structured codec through the same environment as models do.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Protocol

from agents.client import Completion
from agents.codecs import Codec, StructuredCodec
from agents.environment import World
from agents.policy import Policy, Speaker
from agents.types import (
    MAX_TURNS,
    Action,
    ActionKind,
    Exchange,
    Hypothesis,
    HypothesisGroup,
    Inquiry,
    PolicyIdentity,
    Sampling,
)
from agents.world.oracle import Belief
from agents.world.planning import Planner, orderable
from agents.world.questions import understanding
from agents.world.virtual_world import VirtualWorld

RANDOM_EXAMINATIONS = 5
"""As many as the published reference trajectories have on average (3,735 turns of 750 cases)."""
SHOWN = 3


class Player(Protocol):
    """A named way to play; `seat` gives what speaks in one case."""

    @property
    def name(self) -> str: ...

    @property
    def identity(self) -> PolicyIdentity: ...

    def seat(self, case: str, world: World) -> Speaker:
        """The speaker of one episode; ValueError where this player cannot play such a world."""


@dataclass(frozen=True)
class Endpoint:
    """Any model: the same policy speaks in every case, sampled from seeds of that case."""

    name: str
    policy: Speaker

    @property
    def identity(self) -> PolicyIdentity:
        return self.policy.identity

    def seat(self, case: str, world: World) -> Speaker:
        return replace(self.policy, case=case) if isinstance(self.policy, Policy) else self.policy


class GreedyOracle:
    """The greedy oracle as a policy."""

    name = "greedy-oracle"

    def __init__(self, planner: Planner | None = None, *, max_turns: int = MAX_TURNS) -> None:
        self.planner, self.max_turns = planner or Planner(), max_turns
        self.identity = _identity(self.name, Sampling())

    def seat(self, case: str, world: World) -> Speaker:
        return _Greedy(_virtual(world, self.name), self.identity, self.planner, self.max_turns)


class RandomPlayer:
    """`count` examinations drawn at random among those possible, then the oracle's diagnosis."""

    name = "random"

    def __init__(self, seed: int = 0, *, count: int = RANDOM_EXAMINATIONS) -> None:
        self.seed, self.count = seed, count
        self.identity = _identity(f"{self.name}-{count}", Sampling(seed=seed))

    def seat(self, case: str, world: World) -> Speaker:
        # hash() differs between processes: a run must draw the same after a resume.
        draw = int.from_bytes(blake2b(f"{self.seed}:{case}".encode(), digest_size=8).digest())
        return _Random(_virtual(world, self.name), self.identity, draw, self.count)


class _Knowing:
    """Speaks for a rule that sees the belief of a virtual world."""

    def __init__(
        self, world: VirtualWorld, identity: PolicyIdentity, planner: Planner, max_turns: int = MAX_TURNS
    ) -> None:
        self.world, self.identity, self.planner = world, identity, planner
        # The diagnosis is an action too: the last turn is kept for it.
        self.requests = max_turns - 1
        self.codec: Codec = StructuredCodec()
        self.done: list[str] = []

    async def say(
        self,
        inquiry: Inquiry,
        exchanges: Sequence[Exchange],
        *,
        force_final: bool = False,
        priority: int = 0,
        tokens: bool = False,
    ) -> Completion:
        """The next action in the codec's words; planning runs in a thread, so that streams go on."""
        action = await asyncio.to_thread(self.act, force_final)
        return Completion(self.codec.encode(action), "stop")

    def parse(self, text: str) -> Action:
        return self.codec.parse(text)

    def act(self, force_final: bool) -> Action:
        belief = self.world.belief()
        wanted = None if force_final or len(self.done) >= self.requests else self.choose(belief)
        if wanted is None:
            return self._diagnose(belief)
        self.done.append(wanted)
        return self._request(belief, wanted)

    def choose(self, belief: Belief) -> str | None:
        """The id of an examination or finding, or None to stop."""
        raise NotImplementedError

    def _request(self, belief: Belief, wanted: str) -> Action:
        known = belief.frame.model.known
        if wanted in known.catalogue.exams:
            target, kind = known.catalogue.exams[wanted].name, ActionKind.EXAMINE
        else:
            target, kind = question(wanted), ActionKind.ASK
        return Action(kind, target, "It promises the most for its cost.", _differential(belief))

    def _diagnose(self, belief: Belief) -> Action:
        chosen = self.planner.diagnosis(belief)
        differential = _differential(belief, first=chosen)
        return Action(ActionKind.DIAGNOSE, differential[0].diagnosis, "The findings suffice.", differential)


class _Greedy(_Knowing):
    def choose(self, belief: Belief) -> str | None:
        wanted = self.planner.choose(belief)
        if wanted is None or wanted.id not in self.done:
            return wanted.id if wanted else None
        # A patient who does not remember leaves the belief as it was: the next best that pays for itself.
        rest = (c for c in self.planner.candidates(belief) if c.id not in self.done and c.net > 0)
        best = next(rest, None)
        return best.id if best else None


class _Random(_Knowing):
    def __init__(self, world: VirtualWorld, identity: PolicyIdentity, seed: int, count: int) -> None:
        super().__init__(world, identity, Planner())
        possible = orderable(world.belief())
        self.plan = random.Random(seed).sample(possible, min(count, len(possible)))

    def choose(self, belief: Belief) -> str | None:
        return next((exam for exam in self.plan if exam not in self.done), None)


def question(finding: str) -> str:
    """Words that the virtual patient understands as this finding."""
    entry = understanding().known.findings[finding]
    options = (*entry.ask, entry.name, finding.replace("_", " "))
    return next((text for text in options if finding in understanding().findings(text)), entry.name)


def _differential(belief: Belief, *, first: str | None = None) -> tuple[Hypothesis, ...]:
    """The likeliest conditions, the chosen one first: the wire form carries percents from 1 to 99."""
    ranked = sorted(belief.ranked(), key=lambda pair: pair[0] != first)[:SHOWN]
    conditions = belief.frame.model.known.conditions
    return tuple(
        Hypothesis(
            conditions[key].name, p, HypothesisGroup.CANT_MISS if conditions[key].cant_miss else HypothesisGroup.LIKELY
        )
        for key, p in ranked
    )


def _virtual(world: World, name: str) -> VirtualWorld:
    if not isinstance(world, VirtualWorld):
        raise ValueError(f"the {name} policy plays virtual cases only: a record has no known posterior")
    return world


def _identity(version: str, sampling: Sampling) -> PolicyIdentity:
    knowledge = understanding().known.version
    return PolicyIdentity(version, f"knowledge {knowledge}", None, StructuredCodec().digest, "oracle", sampling)
