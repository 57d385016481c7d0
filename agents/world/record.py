"""Replays an imported case: an examination or a question is answered from the record, or said not to be in it.

Nothing is ever invented. An examination that the record lacks is "Not in this record.", never a normal result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agents import examinations
from agents.examinations import ExamMatch
from agents.types import CaseRecord, Observation, RecordedResult, Source, Value
from agents.world.history import History
from agents.world.sheet import Sheet

NOT_IN_RECORD = "Not in this record."
BACKEND = "record"


@dataclass(frozen=True, slots=True)
class _Found:
    name: str
    text: str
    values: tuple[Value, ...] = ()


class RecordWorld:
    """Answers for one case; the same request always has the same answer.

    `source` is RECORDED for a published or own record, SIMULATED for a case written for the product.
    """

    def __init__(
        self, record: CaseRecord, *, source: Source = Source.RECORDED, seed: int | None = None, version: str = ""
    ) -> None:
        self.record = record
        self.source = source
        self.seed = seed
        self.version = version
        self._sheet = Sheet(record.results)
        self._history = History(record)

    @property
    def identity(self) -> dict[str, Any]:
        """What an Episode names as its world."""
        return {"backend": BACKEND, "version": self.version, "seed": self.seed}

    async def examine(self, request: str) -> list[Observation]:
        """One observation per examination found in the request, in its order; at least one."""
        hits = examinations.match(request)
        named = self._sheet.by_name(request)
        if named:
            return [self._observe(request, self._whole(result)) for result in named]
        found = [(hit, self._examined(hit)) for hit in hits]
        if not any(answer for _, answer in found):
            return [self._missing(request, hits[0].name if len(hits) == 1 else None)]
        return [self._observe(request, got) if got else self._missing(request, hit.name) for hit, got in found]

    async def ask(self, question: str) -> Observation:
        """What the history says about it."""
        answer = self._history.answer(question)
        return self._observe(question, _Found("", answer)) if answer else self._missing(question, None)

    def _whole(self, result: RecordedResult) -> _Found:
        return _Found(result.examination, result.text, result.values)

    def _examined(self, hit: ExamMatch) -> _Found | None:
        pieces = self._sheet.pieces(hit.exam)
        if not pieces:
            return None
        values = tuple(dict.fromkeys(value for piece in pieces for value in piece.values))
        if len(pieces) == 1:
            return _Found(pieces[0].name if pieces[0].whole else hit.name, pieces[0].text, values)
        lines = dict.fromkeys(f"{piece.name}: {piece.text}" if piece.whole else piece.text for piece in pieces)
        return _Found(hit.name, "\n".join(lines), values)

    def _observe(self, request: str, found: _Found) -> Observation:
        return Observation(
            text=found.text,
            source=self.source,
            request=request,
            matched=found.name or None,
            values=found.values,
            model=BACKEND if self.source is Source.SIMULATED else None,
            version=self.version or None,
            seed=self.seed,
        )

    def _missing(self, request: str, name: str | None) -> Observation:
        return Observation(NOT_IN_RECORD, Source.UNAVAILABLE, request=request, matched=name)
