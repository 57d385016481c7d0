"""One rubric between files and rows: what every format is read into and written from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.rubrics import LARGEST

AXES = ("safety", "accuracy", "completeness", "economy", "communication")


@dataclass(frozen=True, slots=True)
class CriterionRow:
    """One criterion as a file has it; `points` whole, -10 to 10, `examples` of {text, verdict met|not_met}."""

    text: str
    points: int
    key: str = ""
    axis: str = "accuracy"
    evidence_required: bool = False
    never: bool = False
    per_turn: bool = False
    guideline: str = ""
    examples: tuple[Mapping[str, str], ...] = ()
    rule: Mapping[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__} | {"examples": [dict(e) for e in self.examples]}


@dataclass(frozen=True, slots=True)
class RubricRow:
    """A rubric of a file: `record` names it there; `case` is the id of the case it is for, "" for none.

    `unmapped` names the fields that were left aside; `notes` is kept with the rubric (licence, canary).
    """

    record: str
    title: str
    criteria: tuple[CriterionRow, ...]
    case: str = ""
    complaint_group: str = ""
    guideline: str = ""
    version: int = 1
    unmapped: tuple[str, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)


class Unusable(ValueError):
    """A record that is no rubric; `str()` is the reason."""


def whole_points(given: Any, number: int) -> int:
    """Points as a whole number from -10 to 10; raises Unusable."""
    whole = given.is_integer() if isinstance(given, float) else type(given) is int  # an endless one is not whole
    if not whole:
        raise Unusable(f"criterion {number} has no whole number of points")
    if not -LARGEST <= given <= LARGEST:
        raise Unusable(f"criterion {number} has points outside {-LARGEST} to {LARGEST}")
    return int(given)
