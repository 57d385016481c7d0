"""What a site's feedback comes to: rows of every format, and by id whatever was left out and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from uuid import UUID

from clinic.learnable import WHY_NOT, cases_of, look_up, why_not
from clinic.models import Case, Feedback, Site
from clinic.training_rows import FORMATS, Export, export
from clinic.training_rows.export import feedback_of
from clinic.training_rows.spoken import Speech
from training.models import Split
from training.snapshots.leakage import Removed, removed
from training.snapshots.persons import person_of, split_of

CHUNK = 500
ASKED = "its case was asked to be left out"
ACROSS = "compares cases of both splits"
SILENT = "says nothing that a format can carry"


@dataclass(frozen=True, slots=True)
class Given:
    """One row of feedback that may be learned from, and the keys of the cases it is about."""

    id: UUID
    by: int
    cases: tuple[str, ...]

    @property
    def case(self) -> str:
        return self.cases[0]


@dataclass(slots=True)
class Gathered:
    """`given` is what some format carries; `excluded` maps a reason to the ids of the rest."""

    given: list[Given] = field(default_factory=list)
    excluded: dict[str, list[UUID]] = field(default_factory=lambda: defaultdict(list))
    cases: dict[str, Case] = field(default_factory=dict)
    removed: list[Removed] = field(default_factory=list)
    exports: dict[str, Export] = field(default_factory=dict)

    def split(self, case: str) -> Split:
        return split_of(person_of(self.cases[case]))


def gather(site: Site, *, without: Sequence[str] = (), among: Collection[UUID] | None = None) -> Gathered:
    """From all feedback of the site, or only from `among`; `without` are keys of cases to leave out."""
    found = Gathered()
    usable = list(_usable(site, among, found))
    wanted = list(_wanted(usable, set(without), found))
    _without_leakage(wanted, found)
    _write(site, found)
    return found


def _usable(site: Site, among: Collection[UUID] | None, found: Gathered) -> Iterator[Given]:
    for chunk in _chunks(feedback_of(site, among=among)):
        look_up(case for row in chunk for case in cases_of(row))
        for row in chunk:
            if reason := why_not(row):
                found.excluded[WHY_NOT[reason]].append(row.pk)
                continue
            cases = cases_of(row)
            found.cases.update({case.key: case for case in cases})
            yield Given(row.pk, row.by_id, tuple(dict.fromkeys(case.key for case in cases)))


def _chunks(rows: Iterable[Feedback]) -> Iterator[list[Feedback]]:
    following = iter(rows)
    while chunk := list(islice(following, CHUNK)):
        yield chunk


def _wanted(usable: Iterable[Given], without: set[str], found: Gathered) -> Iterator[Given]:
    for row in usable:
        if without.intersection(row.cases):
            found.excluded[ASKED].append(row.id)
        elif len({found.split(case) for case in row.cases}) > 1:
            found.excluded[ACROSS].append(row.id)
        else:
            yield row


def _without_leakage(wanted: Sequence[Given], found: Gathered) -> None:
    found.removed = removed(found.cases[key] for key in sorted({case for row in wanted for case in row.cases}))
    gone = {one.case: one.reason for one in found.removed}
    for row in wanted:
        reason = next((gone[case] for case in row.cases if case in gone), "")
        if reason:
            found.excluded[reason].append(row.id)
        else:
            found.given.append(row)


def _write(site: Site, found: Gathered) -> None:
    among = [row.id for row in found.given]
    speech = Speech()
    for name in FORMATS if among else ():
        found.exports[name] = export(site=site, format=name, among=among, speech=speech)
    carried = {UUID(one) for each in found.exports.values() for row in each.rows for one in row["feedback"]}
    found.excluded[SILENT] += [row.id for row in found.given if row.id not in carried]
    found.given = [row for row in found.given if row.id in carried]
    for each in found.exports.values():
        each.rows = sorted(({**row, "split": str(found.split(row["case"]))} for row in each.rows), key=_place)


def _place(row: dict[str, Any]) -> tuple[Any, ...]:
    return (row["case"], row["feedback"], row.get("turn") or 0, row.get("rubric_version") or "")
