"""One item with everybody's verdicts side by side: where they differ, and what may be settled about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from string import ascii_uppercase
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from clinic.folding import folded
from clinic.models import (
    Annotation,
    AnnotationOrigin,
    AnnotationStatus,
    Dimension,
    Handover,
    Preference,
    QueueItem,
    Rating,
    RubricCriterion,
    User,
)
from clinic.room_rows import array_of, instances
from clinic.transcript import Spoken

HAVING = (AnnotationStatus.OPEN, AnnotationStatus.SUBMITTED, AnnotationStatus.RETURNED)
CHOICES = {"first": "First", "second": "Second", "same": "No difference"}


@dataclass
class Judgement:
    """One person's annotation with its verdicts; `letter` stands for the person, whose name is no argument."""

    annotation: Annotation
    ratings: list[Rating]
    preferences: list[Preference]
    letter: str = ""


@dataclass(frozen=True)
class Cell:
    """What one person said about one criterion or dimension, single turns and their fold."""

    letter: str
    verdict: str
    said: list[Any]


@dataclass(frozen=True)
class Line:
    """One criterion or dimension: what each said, and where the adjudicator answers."""

    key: str
    criterion: RubricCriterion | None
    label: str
    cells: list[Cell]
    places: list[dict[str, Any]] = field(default_factory=list)

    @property
    def disputed(self) -> bool:
        return len({cell.verdict for cell in self.cells}) > 1


@dataclass
class Dispute:
    """An item as it stands; rows were read in two queries, and nothing here costs another."""

    item: QueueItem
    criteria: list[RubricCriterion]
    all: list[Judgement]
    handed_over: bool = False

    @cached_property
    def said(self) -> list[Judgement]:
        """Submitted by people, first come first, with their letters."""
        found = [one for one in self.all if _is(one, AnnotationOrigin.PERSON, AnnotationStatus.SUBMITTED)]
        for letter, one in zip(ascii_uppercase, found, strict=False):
            one.letter = letter
        return found

    @property
    def settled(self) -> Judgement | None:
        return next((one for one in self.all if one.annotation.authoritative), None)

    @property
    def complete(self) -> bool:
        return bool(self.said) and len(self.said) >= self.item.wanted

    @property
    def agreed(self) -> Annotation | None:
        """The first judgement, if all are in and say the same."""
        if not self.complete:
            return None
        verdicts = [self.verdicts(one) for one in self.said]
        return self.said[0].annotation if verdicts[0] and all(one == verdicts[0] for one in verdicts) else None

    def verdicts(self, one: Judgement) -> dict[str, str]:
        """Criterion's key to its folded verdict; dimension to choice where two are compared."""
        found = {row.criterion: str(row.verdict) for row in folded(self.criteria, one.ratings)}
        return found or {row.dimension: row.choice for row in one.preferences}

    def judged_by(self, person: User) -> bool:
        mine = (one.annotation for one in self.all if one.annotation.annotator_id == person.pk)
        return any(row.origin == AnnotationOrigin.PERSON and row.status in HAVING for row in mine)

    def held_by(self, person: User) -> bool:
        other = self.item.other.clinician_id if self.item.other else None
        return self.handed_over or person.pk in (self.item.consultation.clinician_id, other)

    def may_be_read_by(self, person: User) -> bool:
        """In a blind queue not before all are in, and never while one's own is in work."""
        mine = (one.annotation for one in self.all if one.annotation.annotator_id == person.pk)
        in_work = any(row.status in (AnnotationStatus.OPEN, AnnotationStatus.RETURNED) for row in mine)
        return not self.item.queue.blind or (self.complete and not in_work)

    def lines(self, turns: Sequence[Spoken]) -> list[Line]:
        """Disputed ones first; where all agree the answer is filled in, to be looked over."""
        made = [self._compared(name, str(label)) for name, label in Dimension.choices] if self.item.other_id else []
        made += [self._criterion(criterion, turns) for criterion in self.criteria]
        return sorted(made, key=lambda line: not line.disputed)

    def _criterion(self, criterion: RubricCriterion, turns: Sequence[Spoken]) -> Line:
        cells = []
        for one in self.said:
            rows = [row for row in one.ratings if row.criterion_id == criterion.pk]
            cells.append(Cell(one.letter, self.verdicts(one).get(criterion.key, ""), rows))
        numbers = [spoken.number for spoken in turns if spoken.judged] if criterion.per_turn else [None]
        places = [_place(criterion.key, number, cells) for number in numbers]
        return Line(criterion.key, criterion, criterion.text, cells, places)

    def _compared(self, name: str, label: str) -> Line:
        given = [(one, row) for one in self.said for row in one.preferences if row.dimension == name]
        cells = [Cell(one.letter, row.choice, [row]) for one, row in given]
        chosen = {row.choice for _, row in given}
        whole = {"name": name, "turn": None, "verdict": chosen.pop() if len(chosen) == 1 else "", "evidence": ""}
        return Line(name, None, label, cells, [whole])


def dispute_of(item_id: UUID, person: User | None = None) -> Dispute | None:
    """The item with everything about it (two queries); with `person` only where it is open to them."""
    gave = Handover.objects.filter(
        Q(consultation=OuterRef("consultation")) | Q(consultation=OuterRef("other")), sender=person
    )
    criteria = array_of(RubricCriterion, Q(version=OuterRef("rubric_version"), kept=True))
    rows = QueueItem.objects.select_related(
        "queue__site", "consultation__case", "other", "rubric_version__rubric"
    ).annotate(criterion_rows=criteria)
    if person:
        rows = rows.filter(queue__site=person.site_id, consultation__case__deleted_at=None)
        rows = rows.annotate(handed_over=Exists(gave))
    item = rows.filter(pk=item_id).first()
    if item is None:
        return None
    own = Q(annotation=OuterRef("pk"))
    said = Annotation.objects.filter(item=item).exclude(origin=AnnotationOrigin.JUDGE).select_related("annotator")
    found = said.annotate(rating_rows=array_of(Rating, own), preference_rows=array_of(Preference, own))
    judgements = [
        Judgement(row, instances(Rating, row.rating_rows), instances(Preference, row.preference_rows))
        for row in found.order_by("submitted_at", "pk")
    ]
    made = instances(RubricCriterion, getattr(item, "criterion_rows"))  # noqa: B009
    return Dispute(item, made, judgements, bool(getattr(item, "handed_over", False)))


def _is(one: Judgement, origin: str, status: str) -> bool:
    return one.annotation.origin == origin and one.annotation.status == status


def _place(key: str, turn: int | None, cells: Sequence[Cell]) -> dict[str, Any]:
    """What the form starts with: the common verdict, and the first words somebody quoted for it."""
    said = [row for cell in cells for row in cell.said if row.turn == turn]
    verdicts = {row.verdict for row in said}
    verdict = verdicts.pop() if len(verdicts) == 1 else ""
    quoted = next((row for row in said if row.evidence), None)
    return {
        "name": f"{turn or ''}@{key}",
        "turn": turn,
        "verdict": verdict,
        "evidence": quoted.evidence if quoted else "",
        "evidence_turn": quoted.evidence_turn if quoted else None,
    }
