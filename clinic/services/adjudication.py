"""What stands for an item: the judgement that all agree in, or the one an adjudicator settles with a reason."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from agents.rubrics import score
from clinic.folding import folded
from clinic.models import (
    Annotation,
    AnnotationOrigin,
    AnnotationStatus,
    Handover,
    Preference,
    QueueItem,
    Rating,
    RubricCriterion,
    User,
)
from clinic.services import audit
from clinic.services.errors import Refused
from clinic.services.sheet_checks import checked_preferences, checked_ratings, checked_rest
from clinic.transcript import transcripts

SENTENCES = {
    "may_not": "Only an adjudicating physician of this site settles a disagreement.",
    "own": "You judged this consultation yourself, so somebody else must settle it. Nothing was changed.",
    "held": "You held this consultation, and nobody settles how their own is judged. Nothing was changed.",
    "not_all_in": "Not all judgements of this consultation are in, so there is nothing to settle yet.",
    "agreed": "All who judged this consultation agree, so there is nothing to settle. Their judgement stands.",
    "gold": "What stands for this one was known beforehand. Nothing was changed.",
    "reason": "Say why you settle it this way. Your verdicts are kept on the page; nothing was stored yet.",
}
HAVING = (AnnotationStatus.OPEN, AnnotationStatus.SUBMITTED, AnnotationStatus.RETURNED)


def waiting(user: User) -> QuerySet[QueueItem]:
    """Items of the site on which all judgements are in and differ, oldest queue first."""
    settled = Annotation.objects.filter(item=OuterRef("pk"), authoritative=True)
    complete = QueueItem.objects.filter(queue__site=user.site_id, submitted__gte=F("wanted"))
    mine = complete.filter(~Exists(settled), consultation__case__deleted_at=None)
    return mine.order_by("queue__created_at", "position", "pk") if user.site_id and user.is_active else mine.none()


def in_the_way(*, item: QueueItem, by: User) -> str:
    """Why this person may not settle this item, as a sentence; empty where they may."""
    if not by.may_adjudicate or by.site_id != item.queue.site_id:
        return SENTENCES["may_not"]
    if _judged(item, by):
        return SENTENCES["own"]
    if _held(item, by):
        return SENTENCES["held"]
    if item.gold:
        return SENTENCES["gold"]
    said = judgements(item)
    if len(said) < item.wanted or not said:
        return SENTENCES["not_all_in"]
    return SENTENCES["agreed"] if _agreed(item, said) else ""


@transaction.atomic
def settle(*, item: QueueItem) -> Annotation | None:
    """The authoritative annotation, marked where all wanted judgements are in and agree in every criterion.

    None while some are missing, or where they disagree: then an adjudicator settles it. What an adjudicator settled
    stands, and so does what was known of a gold item beforehand.
    """
    QueueItem.objects.select_for_update().get(pk=item.pk)
    standing = item.annotations.filter(authoritative=True).first()
    if standing and (item.gold or standing.origin == AnnotationOrigin.ADJUDICATION):
        return standing
    agreed = _agreed(item, judgements(item))
    if standing and standing != agreed:
        item.annotations.filter(pk=standing.pk).update(authoritative=False)
    if agreed and standing != agreed:
        item.annotations.filter(pk=agreed.pk).update(authoritative=True)
        agreed.authoritative = True
    return agreed


@transaction.atomic
def adjudicate(*, item: QueueItem, by: User, sheet: dict[str, Any], reason: str) -> Annotation:
    """The sheet of somebody who did not judge it, with the reason; it replaces what was settled before."""
    current = (
        QueueItem.objects.select_for_update(of=("self",)).select_related("queue__site", "consultation").get(pk=item.pk)
    )
    if sentence := in_the_way(item=current, by=by):
        raise Refused(sentence)
    if not reason.strip():
        raise Refused(SENTENCES["reason"])
    columns, ratings, preferences = _checked(current, sheet)
    current.annotations.filter(authoritative=True).update(authoritative=False)
    made = Annotation.objects.create(
        item=current,
        origin=AnnotationOrigin.ADJUDICATION,
        annotator=by,
        status=AnnotationStatus.SUBMITTED,
        submitted_at=timezone.now(),
        rubric_version_id=current.rubric_version_id,
        authoritative=True,
        reason=reason.strip(),
        draft=sheet,
        seconds=sheet.get("seconds") or None,
        **columns,
    )
    for row in (*ratings, *preferences):
        row.annotation = made
    Rating.objects.bulk_create(ratings)
    Preference.objects.bulk_create(preferences)
    facts = {"item": str(current.pk), "queue": str(current.queue_id), "score": made.score, "coverage": made.coverage}
    audit.record(by=by, action="annotation.adjudicated", noun="annotation", target=made.pk, data=facts)
    return made


def judgements(item: QueueItem) -> list[Annotation]:
    """What people submitted about it, with their verdicts, first come first."""
    rows = item.annotations.filter(origin=AnnotationOrigin.PERSON, status=AnnotationStatus.SUBMITTED)
    related = rows.select_related("annotator").prefetch_related("ratings__criterion", "preferences")
    return list(related.order_by("submitted_at", "pk"))


def _checked(item: QueueItem, sheet: dict[str, Any]) -> tuple[dict[str, Any], list[Rating], list[Preference]]:
    """Columns of the annotation, ratings and preferences, all of them complete; else Refused."""
    if item.other_id is not None:
        return {}, [], checked_preferences(sheet)
    criteria = _criteria(item)
    turns = transcripts([item.consultation_id]).get(item.consultation_id, [])
    rows = checked_ratings(sheet, criteria, turns)
    found = score([criterion.as_criterion() for criterion in criteria], folded(criteria, rows))
    return {**checked_rest(sheet, turns), "score": found.value, "coverage": found.coverage}, rows, []


def _agreed(item: QueueItem, said: list[Annotation]) -> Annotation | None:
    """The first of the judgements, if they say the same in every criterion."""
    if not said or len(said) < item.wanted:
        return None
    criteria = _criteria(item)
    verdicts = [verdicts_of(one, criteria) for one in said]
    return said[0] if verdicts[0] and all(one == verdicts[0] for one in verdicts) else None


def verdicts_of(annotation: Annotation, criteria: list[RubricCriterion]) -> dict[str, str]:
    """Criterion's key to its folded verdict; dimension to choice where two were compared."""
    found = {row.criterion: str(row.verdict) for row in folded(criteria, annotation.ratings.all())}
    return found or {row.dimension: row.choice for row in annotation.preferences.all()}


def _criteria(item: QueueItem) -> list[RubricCriterion]:
    return list(RubricCriterion.objects.filter(version=item.rubric_version_id, kept=True)) if not item.other_id else []


def _judged(item: QueueItem, by: User) -> bool:
    mine = item.annotations.filter(annotator=by, origin=AnnotationOrigin.PERSON, status__in=HAVING)
    return mine.exists()


def _held(item: QueueItem, by: User) -> bool:
    held = {item.consultation.clinician_id, item.other.clinician_id if item.other else None}
    both = [pk for pk in (item.consultation_id, item.other_id) if pk]
    return by.pk in held or Handover.objects.filter(consultation__in=both, sender=by).exists()
