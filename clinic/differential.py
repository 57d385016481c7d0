"""The agent's differential as a page shows it: grouped, ranked, with what changed since its last turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.types import HypothesisGroup
from clinic.models import Turn, TurnRole, TurnStatus

GROUP_WORDS = {
    HypothesisGroup.LIKELY: "Likely",
    HypothesisGroup.CANT_MISS: "Can’t miss",
    HypothesisGroup.OTHER: "Other",
}
NOTICED = 0.005
"""A change below half a percent point is not shown: the page rounds to whole percents."""


@dataclass(frozen=True, slots=True)
class Row:
    diagnosis: str
    probability: float | None
    before: float | None
    is_new: bool
    arguments_for: tuple[str, ...]
    arguments_against: tuple[str, ...]

    @property
    def change(self) -> float | None:
        if self.probability is None or self.before is None or abs(self.probability - self.before) < NOTICED:
            return None
        return self.probability - self.before

    @property
    def points(self) -> str:
        """The change in percent points, without its sign."""
        return f"{abs(self.change or 0) * 100:.0f}"


@dataclass(slots=True)
class Differential:
    turn: int | None = None
    groups: list[tuple[str, str, list[Row]]] = field(default_factory=list)
    rest: float | None = None
    """What the probabilities leave for something else."""


def differential_of(turns: Sequence[Turn]) -> Differential:
    """Of the last complete agent turn, against the one before it."""
    spoken = [turn for turn in turns if turn.role == TurnRole.AGENT and turn.status == TurnStatus.COMPLETE]
    spoken = [turn for turn in spoken if (turn.action or {}).get("differential")]
    if not spoken:
        return Differential()
    entries = _entries(spoken[-1])
    before = {_key(entry): entry.get("probability") for entry in _entries(spoken[-2])} if len(spoken) > 1 else None
    groups = [(str(group), word, _rows(entries, group, before)) for group, word in GROUP_WORDS.items()]
    known = [entry["probability"] for entry in entries if entry.get("probability") is not None]
    rest = max(0.0, 1 - sum(known)) if known else None
    return Differential(spoken[-1].number, [group for group in groups if group[2]], rest)


def _entries(turn: Turn) -> list[dict[str, Any]]:
    return list((turn.action or {})["differential"])


def _key(entry: dict[str, Any]) -> str:
    return str(entry.get("diagnosis", "")).casefold().strip()


def _rows(entries: list[dict[str, Any]], group: str, before: dict[str, Any] | None) -> list[Row]:
    mine = [entry for entry in entries if entry.get("group", "likely") == group]
    mine.sort(key=lambda entry: -(entry.get("probability") or 0))
    return [_row(entry, before) for entry in mine]


def _row(entry: dict[str, Any], before: dict[str, Any] | None) -> Row:
    return Row(
        diagnosis=str(entry.get("diagnosis", "")),
        probability=entry.get("probability"),
        before=None if before is None else before.get(_key(entry)),
        is_new=before is not None and _key(entry) not in before,
        arguments_for=tuple(entry.get("for") or ()),
        arguments_against=tuple(entry.get("against") or ()),
    )
