"""What the annotation sheet shows, read in two queries however long the transcript and however full the queue."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db.models import Count, IntegerField, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

from clinic.models import (
    Annotation,
    AnnotationOrigin,
    AnnotationQueue,
    AnnotationStatus,
    Case,
    CorrectionKind,
    Dimension,
    Harm,
    Preference,
    QueueItem,
    Rating,
    RubricCriterion,
    User,
)
from clinic.room_rows import array_of, instances
from clinic.sheet_form import shown
from clinic.transcript import Spoken, transcripts

VERDICTS = (
    ("met", "1", "Met"),
    ("not_met", "2", "Not met"),
    ("cannot_tell", "3", "Can’t tell"),
    ("not_applicable", "0", "N/A"),
)
CHOICES = (("a", "1", "A"), ("b", "2", "B"), ("same", "0", "No difference"))
MEANINGS = {
    "proactiveness": "Asks and examines what matters without being told",
    "accuracy": "Right in what it says and where it ends",
    "usefulness": "Would help you with this patient",
    "language": "Clear, short, in a clinician’s words",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where one verdict goes: a criterion, or a criterion at one turn, with what was filled in so far."""

    key: str
    turn: int | None
    given: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.turn or ''}@{self.key}"


@dataclass(frozen=True, slots=True)
class Asked:
    """One criterion with its places, a row of the sheet."""

    criterion: RubricCriterion
    places: list[Place]

    @property
    def examples(self) -> list[tuple[str, str]]:
        """(verdict in words, text) of each."""
        words = {value: label for value, _, label in VERDICTS}
        rows = self.criterion.examples or []
        return [(words.get(row.get("verdict", ""), "Example"), str(row.get("text", ""))) for row in rows]


@dataclass(frozen=True, slots=True)
class Compared:
    """One dimension of a comparison, with what was chosen by the letters of this page."""

    name: str
    label: str
    meaning: str
    choice: str
    why: str


@dataclass
class Sheet:
    """Rows as they were read, and what the page makes of them; no property costs a query."""

    annotation: Annotation
    turns: list[Spoken]
    other: list[Spoken] = field(default_factory=list)
    trouble: str = ""

    verdicts = VERDICTS
    choices = CHOICES
    harms = Harm.choices
    corrections = CorrectionKind.choices

    @property
    def item(self) -> QueueItem:
        return self.annotation.item

    @property
    def queue(self) -> AnnotationQueue:
        return self.item.queue

    @property
    def case(self) -> Case:
        return self.item.consultation.case

    @property
    def compares(self) -> bool:
        return self.item.other_id is not None

    @property
    def returned(self) -> bool:
        return self.annotation.status == AnnotationStatus.RETURNED

    @property
    def done_already(self) -> bool:
        """Whether it can only be read."""
        return self.annotation.status in (AnnotationStatus.SUBMITTED, AnnotationStatus.DECLINED)

    @property
    def judged_before(self) -> int:
        """How many of this queue this person has submitted."""
        return int(getattr(self.annotation, "mine_count"))  # noqa: B009

    @cached_property
    def draft(self) -> dict[str, Any]:
        return self.annotation.draft or self._kept()

    @cached_property
    def asked(self) -> list[Asked]:
        criteria = instances(RubricCriterion, getattr(self.annotation, "criterion_rows"))  # noqa: B009
        given = {(row["criterion"], row.get("turn")): row for row in self.draft.get("ratings") or []}
        found = []
        for criterion in criteria:
            turns = [spoken.number for spoken in self.turns if spoken.judged] if criterion.per_turn else [None]
            places = [Place(criterion.key, turn, given.get((criterion.key, turn), {})) for turn in turns]
            found.append(Asked(criterion, places))
        return found

    @property
    def judged_turns(self) -> list[int]:
        return [spoken.number for spoken in self.turns if spoken.judged]

    @cached_property
    def compared(self) -> list[Compared]:
        given = {row["dimension"]: row for row in self.draft.get("preferences") or []}
        swapped = self.annotation.swapped
        return [
            Compared(
                name,
                str(label),
                MEANINGS[name],
                shown(given.get(name, {}).get("choice", ""), swapped=swapped),
                given.get(name, {}).get("why", ""),
            )
            for name, label in Dimension.choices
        ]

    @property
    def sides(self) -> list[tuple[str, list[Spoken]]]:
        both = (self.other, self.turns) if self.annotation.swapped else (self.turns, self.other)
        return list(zip("AB", both, strict=True))

    def _kept(self) -> dict[str, Any]:
        """The sheet of a judgement that came in without one, from its rows."""
        criteria = {row["id"]: row["key"] for row in getattr(self.annotation, "criterion_rows")}  # noqa: B009
        ratings = instances(Rating, getattr(self.annotation, "rating_rows"))  # noqa: B009
        preferences = instances(Preference, getattr(self.annotation, "preference_rows"))  # noqa: B009
        row = self.annotation
        return {
            "ratings": [
                {
                    "criterion": criteria.get(rating.criterion_id, ""),
                    "turn": rating.turn,
                    "verdict": rating.verdict,
                    "evidence": rating.evidence,
                    "evidence_turn": rating.evidence_turn,
                    "reason": rating.reason,
                }
                for rating in ratings
            ],
            "preferences": [{"dimension": p.dimension, "choice": p.choice, "why": p.why} for p in preferences],
            "first_wrong_turn": row.first_wrong_turn,
            "correction": {"kind": row.correction_kind, "text": row.correction},
            "harm": row.harm,
            "critique": row.critique,
            "seconds": row.seconds or 0,
        }


def sheet_of(annotation_id: UUID, user: User) -> Sheet | None:
    """This person's own sheet, whatever its state; None where there is none that is open to them."""
    mine = Annotation.objects.visible_to(user).filter(pk=annotation_id, annotator=user)
    mine = mine.filter(origin=AnnotationOrigin.PERSON, item__consultation__case__deleted_at=None)
    related = ("item__queue", "item__consultation__case", "rubric_version__rubric")
    annotation = mine.select_related(*related).annotate(**_columns(user)).first()
    if annotation is None:
        return None
    item = annotation.item
    found = transcripts(filter(None, [item.consultation_id, item.other_id]))
    return Sheet(annotation, found.get(item.consultation_id, []), found.get(item.other_id, []) if item.other_id else [])


def _columns(user: User) -> dict[str, Any]:
    submitted = Annotation.objects.filter(annotator=user, status=AnnotationStatus.SUBMITTED).order_by()
    of_queue = submitted.filter(item__queue=OuterRef("item__queue")).values("annotator").annotate(n=Count("pk"))
    own = Q(annotation=OuterRef("pk"))
    return {
        "criterion_rows": array_of(RubricCriterion, Q(version=OuterRef("rubric_version"), kept=True)),
        "rating_rows": array_of(Rating, own),
        "preference_rows": array_of(Preference, own),
        "mine_count": Coalesce(Subquery(of_queue.values("n"), output_field=IntegerField()), 0),
    }
