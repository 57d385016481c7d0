"""What stands for an item: the judgement that all agree in, or the one an adjudicator settles with a reason."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from agents.rubrics import score
from clinic.disputes import Dispute, dispute_of
from clinic.folding import folded
from clinic.models import (
    Annotation,
    AnnotationOrigin,
    AnnotationStatus,
    Preference,
    QueueItem,
    Rating,
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


def waiting(user: User) -> QuerySet[QueueItem]:
    """Items of the site on which all judgements are in and differ, oldest queue first; gold is never among them."""
    settled = Annotation.objects.filter(item=OuterRef("pk"), authoritative=True)
    complete = QueueItem.objects.filter(queue__site=user.site_id, submitted__gte=F("wanted"), gold=False)
    mine = complete.filter(~Exists(settled), consultation__case__deleted_at=None)
    return mine.order_by("queue__created_at", "position", "pk") if user.site_id and user.is_active else mine.none()


def in_the_way(*, item: QueueItem, by: User) -> str:
    """Why this person may not settle this item, as a sentence; empty where they may."""
    found = dispute_of(item.pk, by)
    return obstacle(dispute=found, by=by) if found else SENTENCES["may_not"]


def obstacle(*, dispute: Dispute, by: User) -> str:
    """As `in_the_way`, of an item that was read already."""
    if not by.may_adjudicate or by.site_id != dispute.item.queue.site_id:
        return SENTENCES["may_not"]
    if dispute.judged_by(by):
        return SENTENCES["own"]
    if dispute.held_by(by):
        return SENTENCES["held"]
    if dispute.item.gold:
        return SENTENCES["gold"]
    if not dispute.complete:
        return SENTENCES["not_all_in"]
    return SENTENCES["agreed"] if dispute.agreed else ""


@transaction.atomic
def settle(*, item: QueueItem) -> Annotation | None:
    """The authoritative annotation, marked where all wanted judgements are in and agree in every criterion.

    None while some are missing, or where they disagree: then an adjudicator settles it. What an adjudicator settled
    stands. A gold item is never settled: what is known of it stands on another item, and these judgements test people.
    """
    QueueItem.objects.select_for_update(no_key=True).get(pk=item.pk)
    standing = item.annotations.filter(authoritative=True).first()
    if item.gold or (standing and standing.origin == AnnotationOrigin.ADJUDICATION):
        return standing
    found = dispute_of(item.pk)
    agreed = found.agreed if found else None
    if standing and standing != agreed:
        item.annotations.filter(pk=standing.pk).update(authoritative=False)
    if agreed and standing != agreed:
        item.annotations.filter(pk=agreed.pk).update(authoritative=True)
        agreed.authoritative = True
    return agreed


@transaction.atomic
def adjudicate(*, item: QueueItem, by: User, sheet: dict[str, Any], reason: str) -> Annotation:
    """The sheet of somebody who did not judge it, with the reason; it replaces what was settled before."""
    QueueItem.objects.select_for_update(no_key=True).get(pk=item.pk)
    found = dispute_of(item.pk, by)
    if found is None:
        raise Refused(SENTENCES["may_not"])
    if sentence := obstacle(dispute=found, by=by):
        raise Refused(sentence)
    current = found.item
    if not reason.strip():
        raise Refused(SENTENCES["reason"])
    columns, ratings, preferences = _checked(found, sheet)
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
    for rating in ratings:
        rating.annotation = made
    for preference in preferences:
        preference.annotation = made
    Rating.objects.bulk_create(ratings)
    Preference.objects.bulk_create(preferences)
    facts = {"item": str(current.pk), "queue": str(current.queue_id), "score": made.score, "coverage": made.coverage}
    audit.record(by=by, action="annotation.adjudicated", noun="annotation", target=made.pk, data=facts)
    return made


def _checked(dispute: Dispute, sheet: dict[str, Any]) -> tuple[dict[str, Any], list[Rating], list[Preference]]:
    """Columns of the annotation, ratings and preferences, all of them complete; else Refused."""
    if dispute.item.other_id is not None:
        return {}, [], checked_preferences(sheet)
    criteria, consultation = dispute.criteria, dispute.item.consultation_id
    turns = transcripts([consultation]).get(consultation, [])
    rows = checked_ratings(sheet, criteria, turns)
    found = score([criterion.as_criterion() for criterion in criteria], folded(criteria, rows))
    return {**checked_rest(sheet, turns), "score": found.value, "coverage": found.coverage}, rows, []
