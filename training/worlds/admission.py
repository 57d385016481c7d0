"""One admission of a record, and the row that becomes of it: window, first occurrence, panels, physical first.

After DiagGym's construction (arXiv 2510.24654, 5.1): the 24 hours before admission, the first result of each
examination, laboratory items grouped into panels, physical examination first, then in the order of time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from agents.examinations import normalise
from agents.knowledge.catalogue import catalogue
from agents.records.base import Rejection
from agents.records.leaks import leak
from agents.types import CaseRecord
from agents.world import grammar
from agents.world.grammar import Event
from agents.world.plausibility.reading import exam_id
from training.worlds.panels import Item, grouped
from training.worlds.rows import Access, Row, Split


class Unusable(ValueError):
    """An admission that cannot become a row; `str()` is the reason."""


@dataclass(frozen=True, slots=True)
class Result:
    """One recorded result; `hours` after admission (negative: before), None where no time is known."""

    name: str
    text: str
    hours: float | None = None
    exam: str | None = None
    """Id in the catalogue where the source knows better than the name; "" where the name would mislead."""

    @property
    def known(self) -> str | None:
        return (exam_id(self.name) if self.exam is None else self.exam) or None

    @property
    def key(self) -> str:
        """What makes two results the same examination."""
        return self.known or " ".join(normalise(self.name)) or self.name


@dataclass(frozen=True, slots=True)
class Window:
    """Hours before and after admission that a result may have; one without a time always stays."""

    before: float = 24.0
    after: float = 0.0

    def holds(self, result: Result) -> bool:
        return result.hours is None or -self.before <= result.hours <= self.after


@dataclass(frozen=True, slots=True)
class Admission:
    """What a source knows of one stay. `presentation` is what was told before the first result."""

    id: str
    patient: str
    origin: str
    access: Access
    complaint: str
    presentation: str
    diagnosis: str
    physical: tuple[Result, ...] = ()
    results: tuple[Result, ...] = ()
    window: Window = Window()
    panels: bool = True
    """False where the source has grouped its laboratory already."""


def row(admission: Admission, split: Split) -> Row | Rejection:
    """The row of an admission, or why there is none."""
    try:
        groups = _steps(admission)
        _check(admission, groups)
    except (Unusable, grammar.Unserialisable) as problem:
        return Rejection(admission.id, str(problem))
    return Row(
        id=admission.id,
        patient=admission.patient,
        split=split,
        origin=admission.origin,
        access=admission.access,
        profile=grammar.profile(admission.presentation, admission.diagnosis),
        diagnosis=admission.diagnosis,
        groups=groups,
    )


def _check(admission: Admission, groups: Sequence[Sequence[Event]]) -> None:
    if not admission.diagnosis.strip():
        raise Unusable("no diagnosis")
    if not admission.presentation.strip():
        raise Unusable("nothing is told before the first examination")
    told = leak(
        CaseRecord(
            admission.id, admission.origin, None, "unknown", admission.complaint,
            {"hpi": admission.presentation}, answer=admission.diagnosis,
        )
    )  # fmt: skip
    if told:
        raise Unusable(told)
    grammar.serialise(admission.presentation, [event for group in groups for event in group])


def _steps(admission: Admission) -> tuple[tuple[Event, ...], ...]:
    """The physical examination, then one group per time, those without a time last."""
    within = [_tidy(one) for one in admission.results if admission.window.holds(one)]
    timed = sorted(within, key=lambda one: (one.hours is None, one.hours or 0.0))
    body = [_tidy(one) for one in admission.physical]
    first = _first(body + timed)
    if not first:
        raise Unusable("no examination in the time around admission")
    physical = [one for one in first if one in body or _is_physical(one)]
    other = [one for one in first if one not in physical]
    groups = [_events(physical, admission.panels)]
    names = {event.name for event in groups[0]}
    for _, same in groupby(other, key=lambda one: one.hours):
        groups.append(_events(list(same), admission.panels, names))
        names |= {event.name for event in groups[-1]}
    return tuple(group for group in groups if group)


def _first(results: Iterable[Result]) -> list[Result]:
    """The first result of each examination; what says nothing is left out."""
    found: dict[str, Result] = {}
    for one in results:
        if one.name and one.text:
            found.setdefault(one.key, one)
    return list(found.values())


def _tidy(result: Result) -> Result:
    return replace(result, name=" ".join(result.name.split()), text=result.text.strip())


def _is_physical(result: Result) -> bool:
    known = result.known
    return known is not None and catalogue().exams[known].kind == "physical"


def _events(results: Sequence[Result], panels: bool, taken: Iterable[str] = ()) -> tuple[Event, ...]:
    if not panels:
        return tuple(Event(one.name, one.text) for one in results)
    return tuple(grouped([Item(one.name, one.text, one.known) for one in results], frozenset(taken)))
