"""Plays a policy in an environment: one Episode, whatever happens; many at once, in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from agents.answers import withheld
from agents.client import Completion, PolicyError
from agents.environment import ConsultationEnv
from agents.policy import Speaker
from agents.types import (
    MAX_TURNS,
    Action,
    ActionKind,
    End,
    Episode,
    EpisodeTurn,
    Exchange,
    Inquiry,
    MalformedAction,
    TokenTrace,
)

ROLLOUT_PRIORITY = 10
"""Behind a waiting clinician, whose requests have priority 0."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When an episode ends on its own.

    `repairs` is how often in a row a malformed answer may be asked for again; `token_budget` bounds the tokens the
    policy says in one episode; `force_final` asks for one Diagnose or Defer after the last turn (the product does;
    evaluation and training do not).
    """

    max_turns: int = MAX_TURNS
    repairs: int = 2
    token_budget: int | None = None
    force_final: bool = False


async def run_episode(
    policy: Speaker,
    env: ConsultationEnv,
    *,
    limits: Limits | None = None,
    group: str | None = None,
    tokens: bool = False,
    priority: int = ROLLOUT_PRIORITY,
    on_turn: Callable[[EpisodeTurn], Awaitable[None]] | None = None,
) -> Episode:
    """The episode, with its end always set; a failure of policy or world is its `error`.

    `tokens` keeps sampled ids and log-probs on each agent turn; `on_turn` hears of each turn as it is complete.
    """
    episode = Episode(env.case, group or env.case, policy.identity, env.identity)
    play = _Play(policy, env, limits or Limits(), episode, tokens, priority, on_turn)
    started = time.monotonic()
    try:
        await play.run()
    except PolicyError as error:
        overflow = error.code == "context_exceeded"
        episode.end = End.TOKEN_BUDGET if overflow else End.ENV_ERROR
        episode.error = None if overflow else f"{error.code}: {error}"
    except Exception as error:  # noqa: BLE001 - the one place where any failure of a rollout becomes data
        episode.end, episode.error = End.ENV_ERROR, f"{type(error).__name__}: {error}"
    episode.seconds = time.monotonic() - started
    episode.cost = env.cost.as_dict()
    return episode


async def run_episodes(
    policy: Speaker | Sequence[Speaker],
    envs: Sequence[ConsultationEnv],
    *,
    limits: Limits | None = None,
    tokens: bool = False,
    concurrency: int = 32,
) -> list[Episode]:
    """One episode per environment, in the order of the environments, at most `concurrency` at a time.

    `policy` plays all of them, or is one per environment (another seed for each rollout of a group); ValueError if
    there are not as many. A failure is data on its own episode; the others are not touched by it.
    """
    policies = policy if isinstance(policy, Sequence) else [policy] * len(envs)
    seats = list(zip(policies, envs, strict=True))
    gate = asyncio.Semaphore(concurrency)

    async def one(speaker: Speaker, env: ConsultationEnv) -> Episode:
        async with gate:
            return await run_episode(speaker, env, limits=limits, tokens=tokens)

    return list(await asyncio.gather(*(one(*seat) for seat in seats)))


class _Play:
    """The state of one episode while it is played."""

    def __init__(
        self,
        policy: Speaker,
        env: ConsultationEnv,
        limits: Limits,
        episode: Episode,
        tokens: bool,
        priority: int,
        on_turn: Callable[[EpisodeTurn], Awaitable[None]] | None,
    ) -> None:
        self.policy, self.env, self.limits, self.episode = policy, env, limits, episode
        self.tokens, self.priority, self.on_turn = tokens, priority, on_turn
        self.exchanges: list[Exchange] = []
        self.spent = 0

    async def run(self) -> None:
        """Turns until an end is reached; sets `episode.end`."""
        inquiry = await self.env.reset()
        failed = 0
        while self.episode.end is None:
            force = self._at_cap()
            if force and not self.limits.force_final:
                self.episode.end = End.MAX_TURNS
            elif self._over_budget():
                self.episode.end = End.TOKEN_BUDGET
            else:
                failed = await self._turn(inquiry, force, failed)

    def _at_cap(self) -> bool:
        return self.episode.agent_turns >= self.limits.max_turns

    def _over_budget(self) -> bool:
        return self.limits.token_budget is not None and self.spent >= self.limits.token_budget

    async def _turn(self, inquiry: Inquiry, force: bool, failed: int) -> int:
        """One answer of the policy and what came of it; how many malformed answers in a row there are now."""
        said = await self.policy.say(
            inquiry, self.exchanges, force_final=force, priority=self.priority, tokens=self.tokens
        )
        self.spent += said.usage.completion if said.usage else len(said.token_ids)
        try:
            action = self._parse(said, force)
        except MalformedAction as problem:
            await self._add(self._agent_turn(said, None))
            if self._out_of_context(said):
                self.episode.end = End.TOKEN_BUDGET
            elif failed >= self.limits.repairs:
                self.episode.end = End.MALFORMED
            self.exchanges.append(Exchange(said.text, self.policy.codec.repair(problem.reason)))
            return failed + 1
        await self._act(said, withheld(action, said.dropped), force)
        return 0

    def _out_of_context(self, said: Completion) -> bool:
        """Cut off before its own limit: the server cuts an answer that no longer fits the context."""
        said_tokens = said.usage.completion if said.usage else self.policy.identity.sampling.max_tokens
        return said.finish == "length" and said_tokens < self.policy.identity.sampling.max_tokens

    def _parse(self, said: Completion, force: bool) -> Action:
        action = self.policy.parse(said.text)
        if force and not action.kind.is_final:
            raise MalformedAction("only a diagnosis or a deferral is possible now", text=said.text)
        return action

    async def _act(self, said: Completion, action: Action, force: bool) -> None:
        await self._add(self._agent_turn(said, action))
        result = await self.env.step(action)
        if result.done:
            self.episode.forced = force
            self.episode.end = End.FINISH if action.kind is ActionKind.DIAGNOSE else End.DEFER
            self.episode.diagnosis = action.target if action.kind is ActionKind.DIAGNOSE else None
            return
        reply = self.policy.codec.reply(result.observations)
        number = len(self.episode.turns) + 1
        await self._add(EpisodeTurn(number, "environment", reply, observations=result.observations))
        self.exchanges.append(Exchange(said.text, reply))

    def _agent_turn(self, said: Completion, action: Action | None) -> EpisodeTurn:
        trace = TokenTrace(said.token_ids, said.logprobs, (1,) * len(said.token_ids)) if self.tokens else None
        number = len(self.episode.turns) + 1
        return EpisodeTurn(
            number, "agent", said.text, action=action, tokens=trace, seconds=said.seconds, dropped=said.dropped
        )

    async def _add(self, turn: EpisodeTurn) -> None:
        self.episode.turns.append(turn)
        if self.on_turn:
            await self.on_turn(turn)
