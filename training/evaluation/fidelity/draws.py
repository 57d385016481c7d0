"""What was asked of a world model and what it wrote: the rows that every metric reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Mode(StrEnum):
    """What the model is told besides the profile."""

    FORCED = "forced"
    """The true results before this one (teacher-forced): similarity, BLEU, normalised error."""
    FREE = "free"
    """Its own results before this one (free-running): consistency of the whole chain."""
    BLANK = "blank"
    """Nothing: distributions, diversity and calibration, as published."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """One examination of one patient in one mode; `draws` and `errors` together are what was asked for.

    `condition` is the diagnosis, `exam` the examination's name, `seconds` the time of all draws together.
    """

    case: str
    condition: str
    exam: str
    truth: str
    draws: tuple[str, ...]
    mode: Mode = Mode.BLANK
    step: int = 0
    errors: tuple[str, ...] = ()
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def drawn_of(data: Mapping[str, Any]) -> Drawn:
    """The inverse of `as_dict`; KeyError for a row that is none."""
    return Drawn(
        case=data["case"],
        condition=data["condition"],
        exam=data["exam"],
        truth=data["truth"],
        draws=tuple(data["draws"]),
        mode=Mode(data.get("mode", Mode.BLANK)),
        step=data.get("step", 0),
        errors=tuple(data.get("errors", ())),
        seconds=data.get("seconds", 0.0),
    )


def of_mode(rows: Iterable[Drawn], mode: Mode) -> list[Drawn]:
    return [row for row in rows if row.mode is mode]


def coverage(rows: Iterable[Drawn]) -> float | None:
    """Share of the wanted draws that there are, 0..1; an outage lowers this and no score."""
    counts = [(len(row.draws), len(row.draws) + len(row.errors)) for row in rows]
    wanted = sum(total for _, total in counts)
    return sum(got for got, _ in counts) / wanted if wanted else None
