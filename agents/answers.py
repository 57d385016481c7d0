"""Draws one answer of a policy under two rules, before anybody has seen any of it.

What is known is not asked for again. A policy that says what it likes best likes the same examination after its result
as before, and a small one orders it until its turns are over. What it would like instead is the better answer: where a
target repeats an earlier one, the answer is dropped and drawn again, each time hotter. A policy that insists through
all draws is let through with its first wish, and a repetition that is meant ("repeat troponin") is no repeat.

What nothing fits is not named. Where the best of what the codec looks up fits the patient worse than nearly all that
the policy learned from, a diagnosis would be a guess: the answer is dropped, and the policy is made to write a deferral
in its place, of which its guesses are left out (selective prediction: El-Yaniv and Wiener 2010, JMLR 11).

Until a target is whole an answer is held back; nothing that was shown is ever taken back.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Protocol

from agents.codecs.base import Codec, FieldText
from agents.matching.ontology import ontology
from agents.repeats import Known
from agents.sse import Delta
from agents.types import Action, ActionKind, Exchange, Inquiry, PolicyIdentity, Sampling

HOTTER = (0.7, 0.9, 1.1)
"""The least temperature of each further draw; the last for all that follow."""
RESAMPLE, LEAST_FIT = len(HOTTER), 6.5
"""Of an agent as Rounds serves it. Of 2,000 virtual training patients 995 in 1,000 begin with a card of 6.5 or more."""


REPEATS, UNFIT = "repeats", "unfit"
"""Why an answer was dropped: it asked for what was asked for before; it named a diagnosis where no card fits."""
DECIDE = "a clinician must decide"


class Ask(Protocol):
    """Begins one answer of the policy; `begun` is what its first words must be."""

    def __call__(self, *, sampling: Sampling, begun: str = "") -> AsyncGenerator[Delta, None]: ...


def ruled(sampling: Sampling) -> Sampling:
    """Under both rules, as Rounds serves."""
    return replace(sampling, resample=RESAMPLE, least_fit=LEAST_FIT)


def unruled(identity: PolicyIdentity) -> PolicyIdentity:
    """Who speaks where the rules are passed by."""
    return replace(identity, sampling=replace(identity.sampling, resample=0, least_fit=0.0))


async def answer(
    ask: Ask, sampling: Sampling, codec: Codec, inquiry: Inquiry, exchanges: Sequence[Exchange]
) -> AsyncGenerator[Delta, None]:
    """The pieces of one answer. Raises PolicyError."""
    fits = not sampling.least_fit or _fits(codec, inquiry, exchanges, sampling.least_fit)
    draws = sampling.resample + 1 if exchanges and sampling.resample else 0
    known = Known.of(exchanges, codec) if draws else Known()
    dropped: tuple[str, ...] = ()
    for redrawn in range(draws + 1):
        how = hotter(sampling, redrawn % (draws or 1))  # the last as the first: one who insists is heard as meant
        async with aclosing(ask(sampling=how)) as said:
            begun = await _begun(said, codec) if redrawn < draws or not fits else _Begun()
            if not fits and begun.kind == ActionKind.DIAGNOSE:
                break
            if redrawn < draws and known.has(begun.kind, begun.target):
                dropped += (REPEATS,)
                continue
            async with aclosing(_told(begun.held, said, dropped=dropped)) as told:
                async for delta in told:
                    yield delta
            return
    opening = codec.opening(ActionKind.DEFER)
    async with (
        aclosing(ask(sampling=how, begun=opening)) as said,
        aclosing(_told([], said, opening, dropped=(*dropped, UNFIT))) as told,
    ):
        async for delta in told:
            yield delta


def withheld(action: Action, dropped: Sequence[str]) -> Action:
    """The action; a deferral that the rule made without the diagnoses in it, which are what was not to be named."""
    if UNFIT not in dropped or action.kind is not ActionKind.DEFER:
        return action
    named = ontology().resolve(action.target) is not None
    return replace(action, target=DECIDE if named else action.target, differential=())


def hotter(sampling: Sampling, redrawn: int) -> Sampling:
    """How the answer is drawn after that many were dropped; one seed for each, so that it can be drawn again."""
    if not redrawn:
        return sampling
    least = HOTTER[min(redrawn, len(HOTTER)) - 1]
    digest = blake2b(f"{sampling.seed or 0}/{redrawn}".encode(), digest_size=4).digest()
    return replace(sampling, temperature=max(sampling.temperature, least), seed=int.from_bytes(digest) % 2**31)


def _fits(codec: Codec, inquiry: Inquiry, exchanges: Sequence[Exchange], least: float) -> bool:
    fit = codec.fit(inquiry, exchanges)
    return fit is None or fit >= least


async def _told(
    held: Iterable[Delta], said: AsyncGenerator[Delta, None], opening: str = "", *, dropped: tuple[str, ...]
) -> AsyncGenerator[Delta, None]:
    """What was held back and what follows; words that were given, and what was dropped, come with the first."""
    for delta in held:
        yield delta._replace(text=opening + delta.text, dropped=dropped)
        opening, dropped = "", ()
    async for delta in said:
        yield delta._replace(text=opening + delta.text, dropped=dropped) if opening or dropped else delta
        opening, dropped = "", ()


@dataclass(slots=True)
class _Begun:
    """An answer up to where its target is whole."""

    held: list[Delta] = field(default_factory=list)
    kind: str = ""
    target: str = ""

    def read(self, pieces: Iterable[FieldText]) -> bool:
        """Whether more is wanted: not after the target, nor once it is known to end the consultation."""
        for piece in pieces:
            if piece.field == "action":
                self.kind += piece.text
            elif piece.field == "target":
                self.target += piece.text
            else:
                return False
        return not self.target or self.kind in (ActionKind.ASK, ActionKind.EXAMINE)


async def _begun(said: AsyncGenerator[Delta, None], codec: Codec) -> _Begun:
    begun, parser = _Begun(), codec.stream()
    async for delta in said:
        begun.held.append(delta)
        if not begun.read(parser.feed(delta.text)):
            break
    return begun
