"""What a queue's query can say: which consultations, which ends are taken whole, how much of the rest, which strata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date
from typing import Any

from django.db.models import TextChoices

from clinic.models import CaseKind, ConsultationStatus

MOST_ITEMS = 2000
"""A queue that a site could still finish; a larger one is several queues."""


class End(TextChoices):
    DEFERRED = "deferred", "The agent deferred"
    OVERRIDDEN = "overridden", "The clinician overrode the agent"
    OUTCOME = "outcome", "The outcome is known"
    DISAGREED = "disagreed", "The agent disagreed with the second opinion"


class Stratum(TextChoices):
    COMPLAINT = "complaint", "Complaint group"
    POLICY = "policy", "Policy version"
    CLINICIAN = "clinician", "Clinician"


STATUSES = (ConsultationStatus.CLOSED, ConsultationStatus.DIAGNOSED, ConsultationStatus.DEFERRED)


class BadQuery(ValueError):
    """A stored query that this version does not understand; `str()` says what."""


@dataclass(frozen=True, slots=True)
class QueueQuery:
    """Empty choices mean any. `first` and `second`: the two policies of an A/B queue, else None."""

    statuses: tuple[str, ...] = (str(ConsultationStatus.CLOSED),)
    kinds: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    versions: tuple[int, ...] = ()
    ends: tuple[str, ...] = ()
    all_of: tuple[str, ...] = ()
    rest_percent: int = 100
    strata: tuple[str, ...] = ()
    gold_percent: int = 0
    repeat_percent: int = 0
    first: int | None = None
    second: int | None = None

    def __post_init__(self) -> None:
        known = {"statuses": STATUSES, "kinds": CaseKind, "ends": End, "all_of": End, "strata": Stratum}
        for name, values in known.items():
            if odd := set(getattr(self, name)) - {str(value) for value in values}:
                raise BadQuery(f"{name} cannot be {', '.join(sorted(odd))}")
        for name in ("rest_percent", "gold_percent", "repeat_percent"):
            if not 0 <= getattr(self, name) <= 100:
                raise BadQuery(f"{name} must be from 0 to 100")
        if (self.first is None) != (self.second is None) or (self.first is not None and self.first == self.second):
            raise BadQuery("a comparison needs two different policies")

    @property
    def compares(self) -> bool:
        return self.first is not None

    @property
    def needs(self) -> set[str]:
        """The kinds of end that have to be looked up."""
        return {*self.ends, *self.all_of}

    def as_dict(self) -> dict[str, Any]:
        """As the queue keeps it."""
        return {name: _plain(value) for name, value in asdict(self).items()}

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> QueueQuery:
        """From what a queue keeps. Raises BadQuery."""
        names = {field.name for field in fields(cls)}
        if odd := set(kept) - names:
            raise BadQuery(f"unknown: {', '.join(sorted(odd))}")
        return cls(**{name: _read(name, value) for name, value in kept.items()})

    def in_words(self) -> list[str]:
        """The query as a person would say it, one phrase each."""
        said = [f"{_words(ConsultationStatus, self.statuses) or 'Any'} consultations"]
        said += [_words(CaseKind, self.kinds)] if self.kinds else []
        said += [f"from {self.since:%-d %B %Y}"] if self.since else []
        said += [f"until {self.until:%-d %B %Y}"] if self.until else []
        said += [f"only where: {_words(End, self.ends).lower()}"] if self.ends else []
        said += [f"all where: {_words(End, self.all_of).lower()}"] if self.all_of else []
        said.append(f"{self.rest_percent} % of {'the rest' if self.all_of else 'them'}")
        said += [f"stratified by {_words(Stratum, self.strata, ' and ').lower()}"] if self.strata else []
        said += [f"{self.gold_percent} % gold"] if self.gold_percent else []
        said += [f"{self.repeat_percent} % repeats"] if self.repeat_percent else []
        return said


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return value.isoformat() if isinstance(value, date) else value


def _read(name: str, value: Any) -> Any:
    try:
        if name in ("since", "until"):
            return date.fromisoformat(value) if value else None
        return tuple(value) if isinstance(value, list) else value
    except (TypeError, ValueError) as error:
        raise BadQuery(f"{name}: {value!r} is no date") from error


def _words(choices: type[TextChoices], values: tuple[str, ...], between: str = " or ") -> str:
    return between.join(str(choices(value).label) for value in values)
