"""The engine behind a language world model: a prompt that fits, a stream of text, and whether it came to its end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from agents.completions import CompletionClient
from agents.errors import PolicyError, PolicyUnavailable, WorldError, WorldUnavailable
from agents.types import Sampling
from agents.world import grammar
from agents.world.access import PUBLIC, may_send
from agents.world.grammar import Event

MAX_TOKENS = 512
"""The longest result; the longest panel of the virtual clinic has about 200 tokens."""
SPARE = 16
"""Tokens left free for what a server adds to a prompt on its own."""
LATE, BROKEN = "world_unavailable", "world_error"


@dataclass(frozen=True, slots=True)
class Written:
    """What the model wrote for one query: raw text without the stop string; `ended`: it did not run into a limit."""

    text: str
    ended: bool


@dataclass(frozen=True, slots=True)
class WorldEngine:
    """One world model on one server. `version` names its weights; `priority` 0 is a waiting person's.

    `stops` end a result: those of the published grammar unless the model was taught others. `access` is that of the
    cases it is asked about: credentialed ones go to this machine or to an `internal` host only, whoever asks.
    """

    client: CompletionClient
    version: str
    temperature: float = 1.0
    max_tokens: int = MAX_TOKENS
    stops: tuple[str, ...] = grammar.STOPS
    priority: int = 0
    access: str = PUBLIC
    internal: tuple[str, ...] = ()

    @property
    def model(self) -> str:
        """The name its server knows it by."""
        return self.client.model

    async def stream(
        self, profile: str, history: Sequence[Event], name: str, *, seed: int
    ) -> AsyncGenerator[str | Written, None]:
        """Pieces of text as they arrive, then one Written.

        Raises WorldUnavailable, WorldError, Unserialisable, and CredentialedText before anything is sent.
        """
        may_send(self.access, self.client.url, internal=self.internal)
        try:
            prompt = await self._prompt(profile, history, name)
            sampling = Sampling(temperature=self.temperature, max_tokens=self.max_tokens, seed=seed)
            stream = self.client.write(prompt, sampling=sampling, stop=self.stops, priority=self.priority)
            said, finish = "", None
            async with aclosing(stream):
                async for delta in stream:
                    said, finish = said + delta.text, delta.finish or finish
                    if delta.text:
                        yield delta.text
        except PolicyUnavailable as error:
            raise WorldUnavailable(f"the world model does not answer: {error}", code=LATE) from error
        except PolicyError as error:
            raise WorldError(f"the world model refused: {error}", code=BROKEN) from error
        yield Written(grammar.result(said), finish == "stop")

    async def write(self, profile: str, history: Sequence[Event], name: str, *, seed: int) -> Written:
        """The whole result; raises as `stream` does."""
        stream = self.stream(profile, history, name, seed=seed)
        async with aclosing(stream):
            async for piece in stream:
                if isinstance(piece, Written):
                    return piece
        raise WorldError("the world model's answer has no end", code=BROKEN)

    async def _prompt(self, profile: str, history: Sequence[Event], name: str) -> str:
        """The query with as much of the history, newest first, as leaves room for the answer."""
        room = await self.client.context() - self.max_tokens - SPARE
        text = grammar.query(profile, history, name)
        if len(text.encode()) <= room:  # a token is at least one byte
            return text
        counted = await self.client.tokens(text)
        if counted is not None and counted <= room:
            return text
        per_byte = counted / len(text.encode()) if counted else 1.0
        return await self._fitted(profile, history, name, room, per_byte)

    async def _fitted(self, profile: str, history: Sequence[Event], name: str, room: int, per_byte: float) -> str:
        """Drop old results by the estimate, then ask the server whether that was enough."""
        while True:

            def estimate(text: str, rate: float = per_byte) -> int:
                return round(len(text.encode()) * rate)

            text = grammar.fit(profile, history, name, estimate, room)
            counted = await self.client.tokens(text)
            if counted is None or counted <= room:
                return text
            per_byte = 1.02 * max(per_byte, counted / len(text.encode()))
