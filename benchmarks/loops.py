"""Three ways to play the same episodes: ours, and DiagGym's two loops in our own words, as baselines to time.

DiagGym (arXiv 2510.24654, repository at bc49719) evaluates one case after the other, and trains in lock-step: one
turn of every active rollout is generated as a batch, everyone waits, the environment is called for all by a pool of
threads, everyone waits. Model, sampling, parser and environment are the ones given, so only the order of work differs;
both stop an episode at its first malformed answer, which is `Limits(repairs=0)` here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from agents.environment import ConsultationEnv, StepResult
from agents.policy import Policy
from agents.rollout import ROLLOUT_PRIORITY, Limits, run_episodes
from agents.types import Action, ActionKind, End, Episode, EpisodeTurn, Exchange, Inquiry, MalformedAction

POOL = 64
"""Threads that call the environment in the lock-step loop."""

Seat = tuple[Policy, ConsultationEnv]
Loop = Callable[[Sequence[Seat], int], Awaitable[list[Episode]]]


@dataclass
class Rollout:
    """One conversation of a loop; `action` is what waits for the environment."""

    policy: Policy
    env: ConsultationEnv
    episode: Episode
    inquiry: Inquiry
    exchanges: list[Exchange] = field(default_factory=list)
    said: str = ""
    action: Action | None = None

    @classmethod
    async def start(cls, policy: Policy, env: ConsultationEnv) -> Rollout:
        episode = Episode(env.case, env.case, policy.identity, env.identity)
        return cls(policy, env, episode, await env.reset())

    @property
    def over(self) -> bool:
        return self.episode.end is not None

    async def speak(self) -> int:
        """Generate one assistant turn and read it; how many tokens it has."""
        done = await self.policy.say(self.inquiry, self.exchanges, priority=ROLLOUT_PRIORITY)
        self.said, self.action = done.text, None
        tokens = done.usage.completion if done.usage else 0
        try:
            action = self.policy.parse(done.text)
        except MalformedAction:
            self._note("agent", done.text)
            self.episode.end = End.MALFORMED
            return tokens
        self._note("agent", done.text, action)
        if action.kind.is_final:
            self.episode.end = End.FINISH if action.kind is ActionKind.DIAGNOSE else End.DEFER
            self.episode.diagnosis = action.target if action.kind is ActionKind.DIAGNOSE else None
        else:
            self.action = action
        return tokens

    def hear(self, result: StepResult, max_turns: int) -> None:
        """Append what the environment brought."""
        reply = self.policy.codec.reply(result.observations)
        self._note("environment", reply)
        self.exchanges.append(Exchange(self.said, reply))
        if self.episode.agent_turns >= max_turns:
            self.episode.end = End.MAX_TURNS

    def call(self) -> StepResult:
        """The environment call as a thread makes it: blocking."""
        assert self.action
        return asyncio.run(self.env.step(self.action))

    def _note(self, role: str, text: str, action: Action | None = None) -> None:
        number = len(self.episode.turns) + 1
        turn = EpisodeTurn(number, "agent" if role == "agent" else "environment", text, action=action)
        self.episode.turns.append(turn)


async def sequential(seats: Sequence[Seat], max_turns: int) -> list[Episode]:
    """One case after the other, one request at a time."""
    episodes = []
    for policy, env in seats:
        started = time.monotonic()
        rollout = await Rollout.start(policy, env)
        while not rollout.over:
            await rollout.speak()
            if rollout.action and not rollout.over:
                rollout.hear(await env.step(rollout.action), max_turns)
        rollout.episode.seconds = time.monotonic() - started
        episodes.append(rollout.episode)
    return episodes


async def lockstep(seats: Sequence[Seat], max_turns: int) -> list[Episode]:
    """Every active rollout speaks, barrier, the environment answers all of them, barrier."""
    rollouts = [await Rollout.start(policy, env) for policy, env in seats]
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(POOL) as pool:
        while active := [rollout for rollout in rollouts if not rollout.over]:
            await asyncio.gather(*(rollout.speak() for rollout in active))
            waiting = [rollout for rollout in active if rollout.action and not rollout.over]
            results = await asyncio.gather(*(loop.run_in_executor(pool, rollout.call) for rollout in waiting))
            for rollout, result in zip(waiting, results, strict=True):
                rollout.hear(result, max_turns)
    return [rollout.episode for rollout in rollouts]


def rounds(concurrency: int) -> Loop:
    """Our rollout engine with at most `concurrency` episodes at a time."""

    async def play(seats: Sequence[Seat], max_turns: int) -> list[Episode]:
        limits = Limits(max_turns=max_turns, repairs=0)
        policies = [policy for policy, _ in seats]
        return await run_episodes(policies, [env for _, env in seats], limits=limits, concurrency=concurrency)

    return play


async def first_turns(seats: Sequence[Seat], *, at_once: bool) -> float:
    """Tokens per second of the first turns alone: what the engine gives whatever the order of work around it."""
    rollouts = [await Rollout.start(policy, env) for policy, env in seats]
    started = time.monotonic()
    if at_once:
        tokens = await asyncio.gather(*(rollout.speak() for rollout in rollouts))
    else:
        tokens = [await rollout.speak() for rollout in rollouts]
    return sum(tokens) / (time.monotonic() - started)
