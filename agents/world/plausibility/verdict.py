"""What the monitor says of a result: complaints, and whether they refuse it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    REJECT = "reject"
    """The result cannot stand; it is drawn again."""
    NOTE = "note"
    """Unusual or undecidable; shown, kept."""


class Code(StrEnum):
    EMPTY = "empty"
    MALFORMED = "malformed"
    LABEL = "label"
    OTHER = "other_examination"
    UNIT = "unit"
    RANGE = "range"
    UNUSUAL = "unusual"
    FLAG = "flag"
    ARITHMETIC = "arithmetic"
    REPEAT = "repeat"
    CONTRADICTION = "contradiction"
    PERSON = "person"
    CONFIRMS = "confirms"


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing wrong with a result, as a sentence for a person."""

    code: Code
    sentence: str
    severity: Severity = Severity.REJECT

    def as_dict(self) -> dict[str, Any]:
        return {"code": str(self.code), "sentence": self.sentence, "severity": str(self.severity)}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The complaints about one draw of one seed."""

    complaints: tuple[Complaint, ...] = ()
    seed: int | None = None

    @property
    def accepted(self) -> bool:
        return not rejects(self.complaints)

    @property
    def reason(self) -> str:
        """The sentences that refuse it, "" where none does."""
        return " ".join(complaint.sentence for complaint in rejects(self.complaints))


def rejects(complaints: Iterable[Complaint]) -> tuple[Complaint, ...]:
    """Those that refuse the result."""
    return tuple(complaint for complaint in complaints if complaint.severity is Severity.REJECT)


def note(code: Code, sentence: str) -> Complaint:
    return Complaint(code, sentence, Severity.NOTE)
