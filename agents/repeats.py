"""Draws an answer again that asks for what is known already, before anybody has seen any of it.

A policy that says what it likes best likes the same examination after its result as before, and a small one orders it
until its turns are over. What it would like instead is the better answer: an answer is held back until its target is
whole, and where that repeats an earlier one it is dropped and drawn again, each time hotter. A policy that insists is
let through, and so is one that says it means a repetition ("repeat troponin"): both may have a reason.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Self

from agents import examinations
from agents.codecs.base import Codec, FieldText
from agents.sse import Delta
from agents.types import Action, ActionKind, Exchange, MalformedAction, Sampling

Ask = Callable[[Sampling], AsyncGenerator[Delta, None]]
"""Begins one answer of the policy."""
HOTTER = (0.7, 0.9, 1.1)
"""The least temperature of each further draw; the last for all that follow."""
RESAMPLE = len(HOTTER)
"""`Sampling.resample` of an agent as Rounds serves it."""
MEANT = frozenset({"repeat", "again", "serial", "recheck"})
"""Words that say that a repetition is meant."""


@dataclass(frozen=True, slots=True)
class Known:
    """What earlier turns asked for: examinations of the catalogue by id, and every target by its words."""

    exams: frozenset[str] = frozenset()
    words: frozenset[tuple[str, ...]] = frozenset()

    @classmethod
    def of(cls, exchanges: Iterable[Exchange], codec: Codec) -> Self:
        """An answer that could not be read asked for nothing."""
        asked = [action for exchange in exchanges if (action := _action(exchange.said, codec))]
        examined = [action.target for action in asked if action.kind is ActionKind.EXAMINE]
        exams = frozenset(hit.exam for target in examined for hit in examinations.match(target))
        return cls(exams, frozenset(_words(action.target) for action in asked))

    def has(self, kind: str, target: str) -> bool:
        """Whether all that is asked for was asked for before, by itself or within a panel."""
        words = _words(target)
        if kind not in (ActionKind.ASK, ActionKind.EXAMINE) or MEANT & {*words}:
            return False
        hits = examinations.match(target) if kind == ActionKind.EXAMINE else []
        asked = [any(examinations.covers(done, hit.exam) for done in self.exams) for hit in hits]
        return words in self.words or (bool(asked) and all(asked))


async def fresh(
    ask: Ask, sampling: Sampling, codec: Codec, exchanges: Sequence[Exchange]
) -> AsyncGenerator[Delta, None]:
    """The pieces of one answer, of at most 1 + `sampling.resample` that were begun. Raises PolicyError."""
    most = sampling.resample if exchanges else 0
    known = Known.of(exchanges, codec) if most else Known()
    for redrawn in range(most):
        async with aclosing(ask(hotter(sampling, redrawn))) as answer:
            begun = await _begun(answer, codec)
            if known.has(begun.kind, begun.target):
                continue
            for delta in begun.held:
                yield delta
            async for delta in answer:
                yield delta
            return
    async with aclosing(ask(hotter(sampling, most))) as answer:
        async for delta in answer:
            yield delta


def hotter(sampling: Sampling, redrawn: int) -> Sampling:
    """How the answer is drawn after that many were dropped; one seed for each, so that it can be drawn again."""
    if not redrawn:
        return sampling
    least = HOTTER[min(redrawn, len(HOTTER)) - 1]
    digest = blake2b(f"{sampling.seed or 0}/{redrawn}".encode(), digest_size=4).digest()
    return replace(sampling, temperature=max(sampling.temperature, least), seed=int.from_bytes(digest) % 2**31)


@dataclass(slots=True)
class _Begun:
    """An answer up to where its target is whole."""

    held: list[Delta] = field(default_factory=list)
    kind: str = ""
    target: str = ""

    def read(self, pieces: Iterable[FieldText]) -> bool:
        """Whether more is wanted: not after the target, nor where none is coming that could repeat one."""
        for piece in pieces:
            if piece.field == "action":
                self.kind += piece.text
            elif piece.field == "target":
                self.target += piece.text
            else:
                return False
        return not self.target or self.kind in (ActionKind.ASK, ActionKind.EXAMINE)


async def _begun(answer: AsyncGenerator[Delta, None], codec: Codec) -> _Begun:
    begun, parser = _Begun(), codec.stream()
    async for delta in answer:
        begun.held.append(delta)
        if not begun.read(parser.feed(delta.text)):
            break
    return begun


def _action(said: str, codec: Codec) -> Action | None:
    try:
        action = codec.parse(said)
    except MalformedAction:
        return None
    return None if action.kind.is_final else action


def _words(target: str) -> tuple[str, ...]:
    return tuple(examinations.normalise(target))
