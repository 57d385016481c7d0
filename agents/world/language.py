"""A language model as the world: it writes the result of any examination from the profile and the results so far.

After DiagGym (arXiv 2510.24654): the model is told the patient's history and diagnosis, and what was found; the agent
sees its results only. Every result is SIMULATED, checked by the plausibility monitor, and carries model, version and
seed. What is asked is read through the catalogue, so that only names of examinations reach the model.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, Protocol

from agents import examinations
from agents.types import CaseRecord, Observation, Source
from agents.world.grammar import Event, Unserialisable
from agents.world.language_draws import Draw, DrawStore, RecentDraws, Try, draw_digest, draw_seed
from agents.world.language_engine import WorldEngine
from agents.world.language_profile import profile_of
from agents.world.language_values import worded
from agents.world.plausibility import Code, Complaint, accept, check
from agents.world.plausibility.redraw import TRIES

BACKEND = "language"
TOO_LONG = "not available: the patient's history is longer than the world model can read."

Hear = Callable[[int, str], None]
"""Told each piece of text as it arrives, with the number of the try, from 0."""


class Questions(Protocol):
    """What answers questions about the history: a record, a virtual patient."""

    async def ask(self, question: str) -> Observation: ...


@dataclass(frozen=True, slots=True)
class Earlier:
    """A result this consultation has seen, as it was written; `seed` is None where no model wrote it."""

    name: str
    text: str
    seed: int | None = None


class LanguageWorld:
    """Answers for one case. Results are drawn in turn, each from those before it; a repeated request repeats them.

    `earlier` holds what this consultation has seen already, oldest first. Raises ValueError for a record without a
    diagnosis: the model writes results of a disease, and would have to make one up.
    """

    def __init__(
        self,
        record: CaseRecord,
        engine: WorldEngine,
        questions: Questions,
        *,
        seed: int = 0,
        earlier: Sequence[Earlier] = (),
        store: DrawStore | None = None,
        tries: int = TRIES,
    ) -> None:
        if not record.answer.strip():
            raise ValueError(f"{record.id} names no diagnosis, so the language world cannot play it")
        self.record, self.engine, self.seed, self.tries = record, engine, seed, tries
        self.profile = profile_of(record)
        self._questions = questions
        self._earlier = list(earlier)
        self._store: DrawStore = RecentDraws() if store is None else store

    @property
    def identity(self) -> dict[str, Any]:
        """What an Episode names as its world."""
        engine = self.engine
        sampling = {"temperature": engine.temperature, "max_tokens": engine.max_tokens}
        return {
            "backend": BACKEND,
            "version": engine.version,
            "seed": self.seed,
            "model": engine.model,
            "sampling": sampling,
        }

    @property
    def history(self) -> list[Event]:
        """The results so far, as the model is told them."""
        return [Event(" ".join(one.name.split()), one.text) for one in self._earlier]

    async def ask(self, question: str) -> Observation:
        """What the record's history, or the virtual patient, says: no model is asked."""
        return await self._questions.ask(question)

    async def examine(self, request: str) -> list[Observation]:
        """One observation per examination found in the request; "not available" if none is.

        Raises WorldUnavailable and WorldError: a failure is never a result.
        """
        hits = examinations.match(request)
        if not hits:
            return [self._missing(request, f"{request.strip()}: not available here.")]
        return [await self._examined(request, hit.exam) for hit in hits]

    async def draw(self, exam: str, *, repeat: int = 0, hear: Hear | None = None) -> Draw:
        """The `repeat`-th draw of an examination of the catalogue, given the results so far; KeyError if unknown."""
        name, seed, digest = self._asked(exam, repeat)
        kept = self._store.get(digest)
        if kept is None:
            kept = await self._drawn(digest, name, seed, hear)
            self._store.put(kept)
        return kept

    def digest(self, exam: str, *, repeat: int = 0) -> str:
        """The digest under which that draw is, or would be, kept."""
        return self._asked(exam, repeat)[2]

    async def draw_stream(self, exam: str, *, repeat: int = 0) -> AsyncGenerator[tuple[int, str] | Draw, None]:
        """(number of the try, piece of text) as they arrive, then the Draw; what is refused begins anew."""
        pieces: asyncio.Queue[tuple[int, str] | None] = asyncio.Queue()
        task = asyncio.create_task(self.draw(exam, repeat=repeat, hear=lambda n, text: pieces.put_nowait((n, text))))
        task.add_done_callback(lambda _: pieces.put_nowait(None))
        try:
            while (piece := await pieces.get()) is not None:
                yield piece
            yield await task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])

    async def _examined(self, request: str, exam: str) -> Observation:
        entry = examinations.find(exam)
        assert entry is not None  # it came from the catalogue
        age, sex = self.record.age_years, self.record.sex
        if age is not None and sex in ("female", "male") and not entry.possible_for(age, sex):
            return self._missing(request, f"{entry.name}: not available for this patient.", entry.name)
        seen = next((one for one in reversed(self._earlier) if one.name == entry.name), None)
        if seen is None:
            try:
                draw = await self.draw(exam)
            except Unserialisable:
                return self._missing(request, f"{entry.name}: {TOO_LONG}", entry.name)
            if not draw.accepted:
                text = f"{entry.name}: not available. No believable result could be simulated. {draw.reason}"
                return self._missing(request, text.strip(), entry.name, draw.seed)
            seen = Earlier(entry.name, draw.text, draw.seed)
            self._earlier.append(seen)
        return self._observed(request, seen)

    async def _drawn(self, digest: str, name: str, seed: int, hear: Hear | None) -> Draw:
        """Up to `tries` texts with seeds from `seed` on; errors of the engine pass through."""
        history, cut, said, started = self.history, set[str](), list[str](), time.monotonic()

        async def one(number: int) -> Observation:
            text, ended = await self._written(history, name, number, number - seed, hear)
            said.append(text)
            if not ended:
                cut.add(text)
            return Observation(text, Source.SIMULATED, seed=number)

        def complaints(text: str) -> Sequence[Complaint]:
            endless = Complaint(Code.MALFORMED, "The result does not come to an end.")
            return [*([endless] if text in cut else []), *self._check(history, name, text)]

        judged = await accept(one, complaints, seed=seed, tries=self.tries)
        tries = [
            Try(verdict.seed or 0, text, verdict.complaints)
            for verdict, text in zip(judged.verdicts, said, strict=True)
        ]
        return Draw(
            digest=digest,
            examination=name,
            text=tries[-1].text if judged.accepted else "",
            accepted=judged.accepted,
            tries=tuple(tries),
            model=self.engine.model,
            version=self.engine.version,
            seed=tries[-1].seed,
            temperature=self.engine.temperature,
            seconds=round(time.monotonic() - started, 3),
        )

    async def _written(
        self, history: Sequence[Event], name: str, seed: int, attempt: int, hear: Hear | None
    ) -> tuple[str, bool]:
        """The text of one try, and whether the model ended it itself."""
        async with aclosing(self.engine.stream(self.profile, history, name, seed=seed)) as stream:
            async for piece in stream:
                if not isinstance(piece, str):
                    return piece.text, piece.ended
                if hear:
                    hear(attempt, piece)
        raise AssertionError("an engine's stream ends with what was written")

    def _check(self, history: Sequence[Event], name: str, text: str) -> Sequence[Complaint]:
        return check(
            text,
            examination=name,
            profile_diagnosis=self.record.answer,
            history=history,
            age=self.record.age_years,
            sex=self.record.sex,
        )

    def _asked(self, exam: str, repeat: int) -> tuple[str, int, str]:
        """Name, first seed and digest of a draw."""
        entry = examinations.find(exam)
        if entry is None:
            raise KeyError(exam)
        seed = draw_seed(self.seed, self.record.id, exam, repeat)
        digest = draw_digest(
            version=self.engine.version,
            profile=self.profile,
            history=self.history,
            examination=entry.name,
            seed=seed,
            temperature=self.engine.temperature,
            max_tokens=self.engine.max_tokens,
        )
        return entry.name, seed, digest

    def _observed(self, request: str, seen: Earlier) -> Observation:
        text, values = worded(seen.name, seen.text, age=self.record.age_years, sex=self.record.sex)
        return Observation(
            text=text,
            source=Source.SIMULATED,
            request=request,
            matched=seen.name,
            values=values,
            model=self.engine.model,
            version=self.engine.version,
            seed=seen.seed,
        )

    def _missing(self, request: str, text: str, name: str | None = None, seed: int | None = None) -> Observation:
        engine = self.engine
        return Observation(
            text, Source.UNAVAILABLE, request, name, model=engine.model, version=engine.version, seed=seed
        )
