"""Produces one agent turn: asks the model, lets its words out as they come, and ends the turn in one way only."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import orjson

from agents.answers import UNFIT, withheld
from agents.client import PolicyClient
from agents.codecs.base import StreamParser
from agents.errors import PolicyError, PolicyUnavailable
from agents.types import Action, MalformedAction, Message
from clinic.models import Endpoint, Event
from clinic.services import agent_processes, agent_turns
from clinic.services.agent_turns import Lease, LeaseLost, Spoken
from clinic.services.prompts import Prompt, prompt_for_turn
from clinic.streaming.committer import Committer
from clinic.streaming.database import Threads
from clinic.streaming.hub import Hub
from clinic.streaming.stream import EARLY, Stream

log = logging.getLogger(__name__)
R = TypeVar("R")
REPAIRS = 1
GUESSES = ("target", "differential")
"""Fields in which a deferral that a rule made may still name what it was not to name."""
AWAKE_SECONDS, LOOK_SECONDS = 180.0, 0.5
INTERACTIVE = 0
"""Priority of a waiting clinician; rollouts and drafts ask with a higher number (decisions.md 16)."""


class Parts(Protocol):
    """What a producer uses of its host."""

    hub: Hub
    committer: Committer
    threads: Threads

    def client(self, endpoint: Endpoint) -> PolicyClient: ...


class Stopped(Exception):
    """The clinician asked to stop; the model's stream is closed."""


@dataclass(slots=True)
class Clock:
    """Times and counts of one attempt, and why answers before it were dropped."""

    started: float
    first: float | None = None
    pieces: int = 0
    dropped: tuple[str, ...] = ()

    def tick(self) -> None:
        self.pieces += 1
        if self.first is None:
            self.first = time.monotonic()

    @property
    def first_ms(self) -> float | None:
        return None if self.first is None else round(1000 * (self.first - self.started), 1)


class Producer:
    """One agent turn under its lease. `stop` may be called at any time from the event loop."""

    def __init__(self, parts: Parts, lease: Lease) -> None:
        self._parts = parts
        self.lease = lease
        self.stream: Stream | None = None
        self.spoken = Spoken()
        self._stop_asked = self._ending = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> asyncio.Task[None]:
        self._task = asyncio.create_task(self.run(), name=f"turn {self.lease.turn_id}")
        return self._task

    def interrupt(self) -> None:
        """The stream was asked to stop or has lost its lease: do not wait for the model's next word."""
        if self._task and not (self._stop_asked or self._ending):
            self._stop_asked = True
            self._task.cancel()

    async def run(self) -> None:
        try:
            await self._end(await self._outcome())
        except LeaseLost:
            log.info("turn %s attempt %s belongs to another producer now", self.lease.turn_id, self.lease.attempt)
            stored = self.stream.stored_seq if self.stream else self.lease.next_seq - 1
            self._parts.hub.resync(self.lease.consultation, stored)
        finally:
            self._leave()

    async def _outcome(self) -> Action | Stopped | str:
        """The action, that it was stopped, or the code of the failure."""
        if self.lease.attempt > agent_turns.MAX_ATTEMPTS:
            return "internal"
        try:
            return await self._action(await self._prompt())
        except MalformedAction:
            return "malformed"
        except PolicyError as error:
            log.warning("turn %s: %s", self.lease.turn_id, error)
            return error.code
        except Stopped as stopped:
            return stopped
        except LeaseLost:
            raise
        except Exception:
            log.exception("turn %s failed", self.lease.turn_id)
            return "internal"

    async def _prompt(self) -> Prompt:
        prompt = await self._guarded(self._parts.threads.run_patiently(prompt_for_turn, self.lease.turn_id))
        self.spoken = Spoken(policy=prompt.identity)
        return prompt

    async def _action(self, prompt: Prompt) -> Action:
        for _ in range(REPAIRS):
            try:
                return await self._attempt(prompt, prompt.messages)
            except MalformedAction as error:
                said, asked = Message("assistant", error.text), Message("user", prompt.codec.repair(error.reason))
            await self._next_lease()
        return await self._attempt(prompt, [*prompt.messages, said, asked])

    async def _attempt(self, prompt: Prompt, messages: list[Message]) -> Action:
        parser = prompt.codec.stream()
        stream = self._enter()
        clock = Clock(time.monotonic())
        try:
            await self._guarded(self._relay(prompt, messages, parser, clock))
            await self._guarded(self._parts.committer.settle(stream))
        finally:
            self.spoken = replace(
                self.spoken,
                text=stream.text,
                first_token_ms=clock.first_ms,
                tokens=clock.pieces or None,
                dropped=self.spoken.dropped + clock.dropped,
            )
        if stream.lost:
            raise LeaseLost
        action = withheld(parser.finish(), self.spoken.dropped)
        if prompt.must_end and not action.kind.is_final:
            raise MalformedAction("the last action must be diagnose or defer", text=stream.text)
        return action

    async def _relay(self, prompt: Prompt, messages: list[Message], parser: StreamParser, clock: Clock) -> None:
        stream, committer = self._enter(), self._parts.committer
        await self._awake(prompt)
        answer = prompt.answer(self._parts.client(prompt.endpoint), messages, priority=INTERACTIVE)
        async with aclosing(answer):
            async for delta in answer:
                clock.dropped += delta.dropped
                if delta.text:
                    clock.tick()
                    stream.hear(delta.text)
                    for piece in parser.feed(delta.text):
                        if UNFIT not in clock.dropped or piece.field not in GUESSES:
                            stream.say(piece.field, piece.text)
                    if stream.pieces >= EARLY:
                        committer.hurry()

    async def _awake(self, prompt: Prompt) -> None:
        """A consultation keeps its version: where that version's server was stopped meanwhile, it is started again."""
        deadline = time.monotonic() + AWAKE_SECONDS
        while not await self._parts.threads.run_patiently(agent_processes.is_up, prompt.endpoint):
            may = await self._parts.threads.run_patiently(agent_processes.may_come_up, prompt.endpoint)
            if not may or time.monotonic() > deadline:
                raise PolicyUnavailable("the version's server does not start", code="policy_unavailable")
            await asyncio.sleep(LOOK_SECONDS)

    async def _guarded(self, work: Awaitable[R]) -> R:
        """Await `work`, turning our own interruption into its reason; the process's end stays a cancellation."""
        try:
            return await work
        except asyncio.CancelledError:
            if not self._stop_asked:
                raise
            assert self._task
            self._task.uncancel()
            if self.stream and self.stream.lost:
                raise LeaseLost from None
            raise Stopped from None

    def _enter(self) -> Stream:
        if self.stream is None:
            self.stream = Stream(self.lease, self._parts.hub)
            self._parts.committer.add(self.stream)
        return self.stream

    def _leave(self) -> None:
        if self.stream:
            self._parts.committer.remove(self.stream)
            self._parts.hub.end(self.lease.consultation)
            self.stream = None

    async def _next_lease(self) -> None:
        """A malformed answer is kept and marked, and its successor is a new attempt."""
        self._leave()
        self.lease = await self._parts.threads.run_patiently(agent_turns.again, lease=self.lease, reason="malformed")
        self._parts.hub.notice(self.lease.consultation, self.lease.next_seq - 1)

    async def _end(self, outcome: Action | Stopped | str) -> None:
        self._ending = True
        if self.stream:
            await self._parts.committer.settle(self.stream)
        self._leave()
        run, lease, spoken = self._parts.threads.run_patiently, self.lease, self.spoken
        if isinstance(outcome, Action):
            events = await run(agent_turns.complete, lease=lease, action=outcome, spoken=spoken)
        elif isinstance(outcome, Stopped):
            events = await run(agent_turns.halt, lease=lease, spoken=spoken)
        else:
            events = await run(agent_turns.fail, lease=lease, code=outcome, spoken=spoken)
        self._tell(events)

    def _tell(self, events: list[Event]) -> None:
        frames = [(event.seq, orjson.dumps(event.as_dict()), True) for event in events]
        self._parts.hub.publish(self.lease.consultation, frames)
