"""Annotations: a sheet saved as it is typed, and submitted once, when every verdict that needs words has them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Case, DateTimeField, ExpressionWrapper, F, IntegerField, OuterRef, Q, Subquery, Value, When
from django.utils import timezone

from agents.rubrics import score
from clinic.folding import folded
from clinic.models import (
    Annotation,
    AnnotationOrigin,
    AnnotationQueue,
    AnnotationStatus,
    Feedback,
    FeedbackKind,
    Preference,
    QueueItem,
    Rating,
    RubricCriterion,
    User,
)
from clinic.room_rows import array_of, instances
from clinic.services import adjudication, audit, feedback, queues, webhooks
from clinic.services.errors import Refused
from clinic.services.sheet_checks import checked_preferences, checked_ratings, checked_rest
from clinic.transcript import transcripts

WRITABLE = (AnnotationStatus.OPEN, AnnotationStatus.RETURNED, AnnotationStatus.EXPIRED)
AHEAD = timedelta(minutes=6)
"""How long what was fetched ahead stays reserved; the page asks again before that while somebody works on it."""
SENTENCES = {
    "not_yours": "This sheet is another annotator’s. Nothing was saved; take the next one from the queue.",
    "declined": "You declined this one. Nothing was submitted; what you wrote is kept.",
    "closed": "This queue was closed meanwhile, so nothing more is taken. What you wrote is kept.",
}


def save_draft(*, annotation: Annotation, by: User, number: int, draft: dict[str, Any]) -> bool:
    """Keep the sheet as typed, and the reservation with it; False where a newer draft is there, or nothing is open."""
    mine = Annotation.objects.filter(pk=annotation.pk, annotator=by, origin=AnnotationOrigin.PERSON)
    newer = mine.filter(status__in=WRITABLE, draft_number__lt=number)
    now = timezone.now()
    minutes = AnnotationQueue.objects.filter(items__annotations=OuterRef("pk")).values("reservation_minutes")
    longer = ExpressionWrapper(Value(now) + F("minutes") * Value(timedelta(minutes=1)), output_field=DateTimeField())
    # Only what is still reserved: one that ran out holds no place, and gets one back under the item's lock alone.
    until = Case(When(status=AnnotationStatus.OPEN, reserved_until__gt=now, then=longer), default=F("reserved_until"))
    saved = newer.annotate(minutes=Subquery(minutes[:1], output_field=IntegerField()))
    return bool(saved.update(draft=draft, draft_number=number, reserved_until=until))


def take_ahead(*, annotation: Annotation, by: User) -> Annotation | None:
    """The next one of the same queue, reserved for a few minutes while this one is judged; None where none is left.

    It is given back by itself unless it is opened: a window that was closed holds nothing for long.
    """
    found = queues.take_next(by=by, queue=annotation.item.queue, besides=[annotation.pk])
    soon = timezone.now() + AHEAD
    if found and found.draft_number == 0 and found.reserved_until and found.reserved_until > soon:
        mine = Annotation.objects.filter(pk=found.pk, status=AnnotationStatus.OPEN, draft_number=0)
        mine.update(reserved_until=soon)
        found.reserved_until = soon
    return found


def submit(*, annotation: Annotation, by: User, sheet: dict[str, Any]) -> Annotation:
    """The last word on an item; sent twice it counts once. Refused, it is kept as the draft."""
    try:
        with transaction.atomic():
            return _submit(annotation, by, sheet)
    except Refused:
        mine = Annotation.objects.filter(pk=annotation.pk, annotator=by, status__in=WRITABLE)
        mine.update(draft=sheet, draft_number=F("draft_number") + 1)
        raise


def _submit(annotation: Annotation, by: User, sheet: dict[str, Any]) -> Annotation:
    current = _locked(annotation, by)
    if current.status == AnnotationStatus.SUBMITTED:
        return current
    _still_open(current, by)
    compared = current.item.other_id is not None
    found = _preferences(current, sheet) if compared else _ratings(current, sheet)
    given = _feedback(current, by, found)
    current.move_to(
        AnnotationStatus.SUBMITTED,
        by=by,
        submitted_at=timezone.now(),
        draft=sheet,
        seconds=sheet.get("seconds") or None,
        feedback=given,
        **found,
    )
    QueueItem.objects.filter(pk=current.item_id).update(submitted=F("submitted") + 1)
    current.item.submitted += 1
    adjudication.settle(item=current.item)
    webhooks.announce(annotation=current)
    audit.record(by=by, action="annotation.submitted", noun="annotation", target=current.pk, data=_facts(current))
    return current


def _locked(annotation: Annotation, by: User) -> Annotation:
    """The row as it is now and locked, with its criteria; the item’s lock comes first, as wherever it changes hands."""
    QueueItem.objects.select_for_update(no_key=True).filter(pk=annotation.item_id).values_list("pk").first()
    criteria = array_of(RubricCriterion, Q(version=OuterRef("rubric_version"), kept=True))
    related = ("item__queue__site", "item__consultation__case", "item__consultation__site")
    rows = Annotation.objects.visible_to(by).select_related(*related).annotate(criterion_rows=criteria)
    rows = rows.select_for_update(no_key=True, of=("self",))
    current = rows.filter(pk=annotation.pk, origin=AnnotationOrigin.PERSON).first()
    if current is None or current.annotator_id != by.pk:
        raise Refused(SENTENCES["not_yours"])
    return current


def _still_open(current: Annotation, by: User) -> None:
    """Ready to be submitted, or a sentence why not; what ran out is taken up again while its item has room."""
    if current.status == AnnotationStatus.DECLINED:
        raise Refused(SENTENCES["declined"])
    if current.item.queue.closed_at is not None:
        raise Refused(SENTENCES["closed"])
    if queues.ran_out(current):
        queues.renew(annotation=current, by=by)


def _ratings(current: Annotation, sheet: dict[str, Any]) -> dict[str, Any]:
    """Writes the verdicts; the annotation's columns that follow from the sheet."""
    criteria = instances(RubricCriterion, getattr(current, "criterion_rows"))  # noqa: B009
    turns = transcripts([current.item.consultation_id]).get(current.item.consultation_id, [])
    rows = checked_ratings(sheet, criteria, turns)
    rest = checked_rest(sheet, turns)
    current.ratings.all().delete()  # of a judgement that was sent back, whoever had it in between
    for row in rows:
        row.annotation = current
    Rating.objects.bulk_create(rows)
    found = score([criterion.as_criterion() for criterion in criteria], folded(criteria, rows))
    return {**rest, "score": found.value, "coverage": found.coverage}


def _preferences(current: Annotation, sheet: dict[str, Any]) -> dict[str, Any]:
    rows = checked_preferences(sheet)
    current.preferences.all().delete()  # of a judgement that was sent back, whoever had it in between
    for row in rows:
        row.annotation = current
    Preference.objects.bulk_create(rows)
    return {}


def _feedback(current: Annotation, by: User, found: dict[str, Any]) -> Feedback:
    """One row for learning, proposed; what a judgement that was sent back had given is out of use already."""
    compared = current.item.other_id is not None
    data = {"annotation": str(current.pk), "score": found.get("score"), "coverage": found.get("coverage")}
    return feedback.give(
        kind=FeedbackKind.PREFERENCE if compared else FeedbackKind.RATING,
        by=by,
        consultation=current.item.consultation,
        data=data,
    )


def _facts(current: Annotation) -> dict[str, Any]:
    """For the log: ids and numbers, never a word of the sheet."""
    item = current.item
    return {
        "item": str(item.pk),
        "queue": str(item.queue_id),
        "score": current.score,
        "coverage": current.coverage,
        "seconds": current.seconds,
    }
