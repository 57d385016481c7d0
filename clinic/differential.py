"""The agent's differential as a page shows it: grouped, ranked, with what changed since its last turn, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.knowledge.conditions import knowledge
from agents.types import HypothesisGroup
from clinic.arguments import Arguments, arguments
from clinic.claims import Claim, check_claim
from clinic.facts import Facts
from clinic.models import LedgerEntry, Turn, TurnRole, TurnStatus
from clinic.naming import keyed

GROUP_WORDS = {
    HypothesisGroup.LIKELY: "Likely",
    HypothesisGroup.CANT_MISS: "Can’t miss",
    HypothesisGroup.OTHER: "Other",
}
NOTICED = 0.005
"""A change below half a percent point is not shown: the page rounds to whole percents."""


@dataclass(frozen=True, slots=True)
class Row:
    key: str
    diagnosis: str
    probability: float | None
    before: float | None
    is_new: bool
    arguments_for: tuple[Claim, ...] = ()
    """As the agent claims; what has no fact behind it is shown as not in this record."""
    arguments_against: tuple[Claim, ...] = ()
    own: Arguments = field(default_factory=Arguments)
    """As the knowledge has it."""
    ranks: tuple[int | None, ...] = ()
    """Its place at each of the agent's turns, 1 first; None where it was not named."""
    entry: LedgerEntry | None = None

    @property
    def change(self) -> float | None:
        if self.probability is None or self.before is None or abs(self.probability - self.before) < NOTICED:
            return None
        return self.probability - self.before

    @property
    def points(self) -> str:
        """The change in percent points, without its sign."""
        return f"{abs(self.change or 0) * 100:.0f}"

    @property
    def moved(self) -> int:
        """Places gained since the turn before, negative where it fell."""
        known = self.ranks[-2:]
        return known[0] - known[1] if len(known) == 2 and known[0] and known[1] else 0


@dataclass(slots=True)
class Differential:
    turn: int | None = None
    groups: list[tuple[str, str, list[Row]]] = field(default_factory=list)
    rest: float | None = None
    """What the probabilities leave for something else."""
    gone: list[tuple[str, float | None]] = field(default_factory=list)
    """Named at the turn before, and no more."""
    stated: bool = False
    """Whether the agent gave probabilities at all."""
    before_turn: int | None = None

    @property
    def rows(self) -> list[Row]:
        return [row for _, _, rows in self.groups for row in rows]

    @property
    def new(self) -> list[Row]:
        return [row for row in self.rows if row.is_new]

    @property
    def moved(self) -> list[Row]:
        return [row for row in self.rows if row.change or row.moved]

    @property
    def settled(self) -> bool:
        """There was a turn before, and nothing has changed since."""
        return self.before_turn is not None and not (self.new or self.moved or self.gone)


def differential_of(
    turns: Sequence[Turn], facts: Facts | None = None, ledger: Iterable[LedgerEntry] = ()
) -> Differential:
    """Of the last complete agent turn, against the one before it."""
    spoken = [turn for turn in turns if _speaks(turn)]
    if not spoken:
        return Differential()
    entries = _entries(spoken[-1])
    before = {_key(entry): entry.get("probability") for entry in _entries(spoken[-2])} if len(spoken) > 1 else None
    look = _Look(facts, before, _history(spoken), {entry.key: entry for entry in ledger})
    groups = [(str(group), word, look.rows(entries, group)) for group, word in GROUP_WORDS.items()]
    known = [entry["probability"] for entry in entries if entry.get("probability") is not None]
    here = {_key(entry) for entry in entries}
    gone = [entry for entry in _entries(spoken[-2]) if _key(entry) not in here] if len(spoken) > 1 else []
    return Differential(
        turn=spoken[-1].number,
        groups=[group for group in groups if group[2]],
        rest=max(0.0, 1 - sum(known)) if known else None,
        gone=[(str(entry.get("diagnosis", "")), entry.get("probability")) for entry in gone],
        stated=bool(known),
        before_turn=spoken[-2].number if len(spoken) > 1 else None,
    )


def _speaks(turn: Turn) -> bool:
    said = turn.role == TurnRole.AGENT and turn.status == TurnStatus.COMPLETE and turn.retracted_at is None
    return said and bool((turn.action or {}).get("differential"))


def _entries(turn: Turn) -> list[dict[str, Any]]:
    return list((turn.action or {})["differential"])


def _key(entry: dict[str, Any]) -> str:
    return keyed(str(entry.get("diagnosis", "")))[0]


def _history(spoken: Sequence[Turn]) -> list[dict[str, int]]:
    """The place of each diagnosis at each turn."""
    ranked = [sorted(_entries(turn), key=lambda entry: -(entry.get("probability") or 0)) for turn in spoken]
    return [{_key(entry): place for place, entry in reversed(list(enumerate(entries, 1)))} for entries in ranked]


@dataclass(frozen=True, slots=True)
class _Look:
    """Everything a row is held against."""

    facts: Facts | None
    before: dict[str, Any] | None
    history: list[dict[str, int]]
    ledger: dict[str, LedgerEntry]

    def rows(self, entries: list[dict[str, Any]], group: str) -> list[Row]:
        mine = [entry for entry in entries if entry.get("group", "likely") == group]
        mine.sort(key=lambda entry: -(entry.get("probability") or 0))
        return [self.row(entry) for entry in mine]

    def row(self, entry: dict[str, Any]) -> Row:
        key = _key(entry)
        return Row(
            key=key,
            diagnosis=str(entry.get("diagnosis", "")),
            probability=entry.get("probability"),
            before=None if self.before is None else self.before.get(key),
            is_new=self.before is not None and key not in self.before,
            arguments_for=self.claims(entry.get("for")),
            arguments_against=self.claims(entry.get("against")),
            own=arguments(self.facts, key if key in knowledge().conditions else None) if self.facts else Arguments(),
            ranks=tuple(places.get(key) for places in self.history),
            entry=self.ledger.get(key),
        )

    def claims(self, said: Any) -> tuple[Claim, ...]:
        texts = [str(text) for text in said or () if str(text).strip()]
        return tuple(check_claim(text, self.facts) if self.facts else Claim(text) for text in texts)
