"""A consultation as a transcript to judge: each turn's words in the order shown, so that a quotation is found again.

Whoever spoke is named by role alone: neither the policy's name nor a colleague's stands in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, Q

from clinic.models import Finding, SimulatedResult, Turn, TurnRole, TurnStatus
from clinic.rendering import VERBS, beside, leading
from clinic.room_rows import array_of, instances
from clinic.services.worlds import LANGUAGE
from clinic.templatetags.rounds import flag_word, number, percent, unit

FINAL = ("diagnose", "defer")


@dataclass(frozen=True, slots=True)
class Measured:
    """One number of a result as words; `value` keeps it for its place in the reference range."""

    name: str
    amount: str
    unit: str
    flag: str
    reference: str
    value: dict[str, Any]

    @property
    def words(self) -> tuple[str, ...]:
        return (self.name, self.amount, self.unit, self.flag, self.reference)


@dataclass(frozen=True, slots=True)
class Spoken:
    """One turn and what it brought; `parts` are exactly the words that the page offers for selection."""

    turn: Turn
    values: tuple[Measured, ...] = ()
    drawn: tuple[SimulatedResult, ...] = ()
    said: str = ""

    @property
    def number(self) -> int:
        return self.turn.number

    @property
    def action(self) -> dict[str, Any]:
        return self.turn.action or {}

    @property
    def kind(self) -> str:
        return str(self.action.get("action", ""))

    @property
    def verb(self) -> str:
        return VERBS.get(self.kind, "")

    @property
    def final(self) -> bool:
        return self.kind in FINAL

    @property
    def judged(self) -> bool:
        """Whether a criterion of every turn asks about this one: the agent said it, and it stands."""
        turn = self.turn
        whole = turn.status == TurnStatus.COMPLETE and turn.retracted_at is None
        return turn.role == TurnRole.AGENT and whole

    @property
    def classes(self) -> str:
        turn, undone = self.turn, "retracted" if self.turn.retracted_at else ""
        found = [turn.role, turn.status, turn.source, self.kind, "final" if self.final else "", undone]
        return " ".join(filter(None, found))

    @property
    def target(self) -> str:
        """What stands largest: the agent's question, examination or diagnosis; a result's name."""
        if self.turn.role == TurnRole.ENVIRONMENT:
            return self.turn.matched or self.turn.request or "Result"
        return str(self.action.get("target") or "") if self.turn.status == TurnStatus.COMPLETE else ""

    @property
    def leading(self) -> list[str]:
        """The hypotheses that stood first, each with its probability."""
        if self.turn.role != TurnRole.AGENT or self.turn.status != TurnStatus.COMPLETE:
            return []
        return [_hypothesis(entry) for entry in leading(self.action)]

    @property
    def parts(self) -> list[str]:
        rows = [word for value in self.values for word in value.words]
        return [part for part in (self.target, *rows, self.said, *self.leading) if part]

    @property
    def text(self) -> str:
        return plain(" ".join(self.parts))


def plain(words: str) -> str:
    """With single spaces: how words are compared, whatever lines they stood in."""
    return " ".join(words.split())


def quotes(evidence: str, spoken: Spoken) -> bool:
    """Whether these words stand in this turn as shown."""
    wanted = plain(evidence)
    return bool(wanted) and wanted in spoken.text


def transcripts(consultations: Iterable[UUID]) -> dict[UUID, list[Spoken]]:
    """The turns of consultations with their results, in one query however long they are."""
    mine = Q(turn=OuterRef("pk"))
    turns = Turn.objects.filter(consultation__in=list(consultations))
    rows = turns.annotate(found_rows=array_of(Finding, mine), drawn_rows=array_of(SimulatedResult, mine))
    found: dict[UUID, list[Spoken]] = {}
    for turn in rows.order_by("consultation_id", "number"):
        found.setdefault(turn.consultation_id, []).append(_spoken(turn))
    return found


def _spoken(turn: Any) -> Spoken:
    drawn = instances(SimulatedResult, turn.drawn_rows)
    rows: list[Finding | SimulatedResult] = [*instances(Finding, turn.found_rows), *drawn]
    values = [value for row in rows for value in row.values] if turn.role == TurnRole.ENVIRONMENT else []
    said = beside(turn, values)
    if turn.role == TurnRole.AGENT and turn.status == TurnStatus.COMPLETE:
        said = str((turn.action or {}).get("reason") or turn.text)
    by_language = tuple(row for row in drawn if row.world == LANGUAGE)
    return Spoken(turn, tuple(_measured(value) for value in values), by_language, said)


def _measured(value: dict[str, Any]) -> Measured:
    low, high = value.get("low"), value.get("high")
    reference = f"{number(low)}–{number(high)}" if low is not None and high is not None else ""
    name = str(value.get("name") or value.get("code") or "")
    return Measured(name, number(value["value"]), unit(value.get("unit") or ""), flag_word(value), reference, value)


def _hypothesis(entry: dict[str, Any]) -> str:
    probability = entry.get("probability")
    name = str(entry.get("diagnosis") or "")
    return name if probability is None else f"{name} {percent(probability)}"
