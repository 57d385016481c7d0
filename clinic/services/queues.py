"""Work on a queue: who judges which item next, and how it changes hands.

An item never has more live judgements than `wanted`: every change of hands happens under the item's row lock, and what
was counted before the lock is counted again after it. An OPEN annotation past `reserved_until` is not live.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Case, Count, DateTimeField, Exists, F, IntegerField, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from clinic.models import (
    Annotation,
    AnnotationOrigin,
    AnnotationQueue,
    AnnotationStatus,
    FeedbackStatus,
    Handover,
    QueueItem,
    User,
)
from clinic.services import audit
from clinic.services.errors import Refused

SENTENCES = {
    "may_not_judge": "Only annotators and adjudicators of this site judge its consultations.",
    "may_not_keep": "Only adjudicators and administrators of this site keep its queues.",
    "not_yours": "This item is not reserved for you. Take the next one from the queue.",
    "closed": "This queue is closed. What was submitted counts; what you typed is kept.",
    "taken_over": "Your reservation ended and somebody else has taken this item. What you typed is kept.",
    "not_open": "This judgement is not in work, so there is nothing to change about it.",
    "why_declined": "Say in a few words why you decline it. It is still reserved for you.",
    "why_sent_back": "Say what is to be corrected. Nothing was sent back.",
    "not_submitted": "Only a submitted judgement of a person can be sent back.",
    "settled": "This item was adjudicated, and that stands. Nothing was sent back.",
    "own": "{name} held this consultation, and nobody judges their own.",
    "had_it": "{name} has had this item already. Choose somebody else.",
    "no_annotator": "Choose an annotator of this site.",
    "full": "This item has all the judgements it wants.",
}
LIVE = (AnnotationStatus.OPEN, AnnotationStatus.SUBMITTED, AnnotationStatus.RETURNED)
IN_WORK = (AnnotationStatus.OPEN, AnnotationStatus.RETURNED)


def live(now: datetime | None = None) -> Q:
    """Judgements by people that hold a place in their item."""
    return Q(origin=AnnotationOrigin.PERSON, status__in=LIVE) & ~_lapsed(now)


def ran_out(annotation: Annotation) -> bool:
    """It holds no place any more, whether or not the end of its reservation was written down already."""
    until = annotation.reserved_until
    lapsed = annotation.status == AnnotationStatus.OPEN and until is not None and until <= timezone.now()
    return lapsed or annotation.status == AnnotationStatus.EXPIRED


def _lapsed(now: datetime | None = None) -> Q:
    return Q(status=AnnotationStatus.OPEN, reserved_until__lte=now or timezone.now())


def take_next(
    *, by: User, queue: AnnotationQueue | None = None, besides: Iterable[UUID | str] = ()
) -> Annotation | None:
    """The person's own begun, returned or assigned one first, then a free item; None when nothing is left.

    `besides`: annotations that are in front of the person already, so that the next one can be fetched early.
    """
    if not by.may_annotate:
        raise Refused(SENTENCES["may_not_judge"])
    if queue and (queue.site_id != by.site_id or queue.closed_at):
        raise Refused(SENTENCES["closed" if queue.closed_at else "may_not_judge"])
    shown = list(besides)
    # An item that somebody is just taking is passed over at first, and waited for only when nothing else is left: in a
    # transaction of its own, which locks items in one order and so never waits in a circle.
    return _take(by, queue, shown, skip=True) or _take(by, queue, shown, skip=False)


@transaction.atomic
def _take(by: User, queue: AnnotationQueue | None, besides: list[UUID | str], *, skip: bool) -> Annotation | None:
    # Two windows of one person take one after the other, so the second finds what the first one took.
    User.objects.select_for_update(no_key=True).get(pk=by.pk)
    return _own(by, queue, besides) or _free(by, queue, skip=skip)


@transaction.atomic
def renew(*, annotation: Annotation, by: User) -> datetime | None:
    """Reserved from now on for the queue's minutes (None: assigned, kept until done); one that expired is taken up
    again while its item has room."""
    current = _locked(annotation)
    if current.annotator_id != by.pk or current.item.queue.site_id != by.site_id:
        raise Refused(SENTENCES["not_yours"])
    if current.item.queue.closed_at:
        raise Refused(SENTENCES["closed"])
    if ran_out(current):
        _take_up(current, by)
    elif current.status not in IN_WORK:
        raise Refused(SENTENCES["not_open"])
    elif current.reserved_until is not None:
        current.reserved_until = _until(current.item.queue)
        current.save(update_fields=["reserved_until"])
    annotation.status, annotation.reserved_until = current.status, current.reserved_until
    return current.reserved_until


@transaction.atomic
def decline(*, annotation: Annotation, by: User, reason: str) -> None:
    """The item goes to somebody else, and never to this person again."""
    current = _locked(annotation)
    if current.annotator_id != by.pk:
        raise Refused(SENTENCES["not_yours"])
    if current.status not in IN_WORK:
        raise Refused(SENTENCES["not_open"])
    if not reason.strip():
        raise Refused(SENTENCES["why_declined"])
    current.move_to(AnnotationStatus.DECLINED, by=by, reason=reason.strip(), reserved_until=None)
    Annotation.objects.filter(pk=current.pk).update(reason=reason.strip())
    annotation.status = current.status
    _audit(current, by, "declined")


@transaction.atomic
def send_back(*, annotation: Annotation, by: User, reason: str) -> None:
    """To its annotator, for correction; what it taught is out of use until it is submitted again."""
    current = _locked(annotation)
    _keeper(by, current.item.queue)
    if current.status != AnnotationStatus.SUBMITTED or current.origin != AnnotationOrigin.PERSON:
        raise Refused(SENTENCES["not_submitted"])
    if not reason.strip():
        raise Refused(SENTENCES["why_sent_back"])
    if current.item.annotations.filter(origin=AnnotationOrigin.ADJUDICATION, authoritative=True).exists():
        raise Refused(SENTENCES["settled"])
    given = current.feedback
    current.move_to(
        AnnotationStatus.RETURNED,
        by=by,
        reason=reason.strip(),
        submitted_at=None,
        reserved_until=None,
        authoritative=False,
        feedback=None,
    )
    Annotation.objects.filter(pk=current.pk).update(reason=reason.strip())
    QueueItem.objects.filter(pk=current.item_id, submitted__gt=0).update(submitted=F("submitted") - 1)
    if given and given.status in (FeedbackStatus.PROPOSED, FeedbackStatus.APPROVED):
        given.move_to(FeedbackStatus.QUARANTINED, by=by, reason="sent back for correction")
    annotation.status, annotation.reason = current.status, reason.strip()
    _audit(current, by, "sent_back", annotator=current.annotator_id)


@transaction.atomic
def assign(*, item: QueueItem, to: User | None, by: User) -> Annotation:
    """Kept for this person until it is done, declined or given to somebody else."""
    current = _lock(item.pk)
    _keeper(by, current.queue)
    return _assigned(current, to, by)


@transaction.atomic
def reassign(*, annotation: Annotation, to: User | None, by: User) -> Annotation:
    """Taken from who has it in work and given to another; the first one's draft is kept, and counts for nothing."""
    current = _locked(annotation)
    _keeper(by, current.item.queue)
    if current.status not in IN_WORK:
        raise Refused(SENTENCES["not_open"])
    current.move_to(AnnotationStatus.EXPIRED, by=by, reason="given to somebody else", reserved_until=timezone.now())
    annotation.status = current.status
    return _assigned(current.item, to, by)


@transaction.atomic
def expire(*, now: datetime | None = None) -> int:
    """Every reservation that ran out; how many. Whoever takes an item looks for itself, and waits for this at most."""
    rows = Annotation.objects.filter(_lapsed(now)).select_for_update(no_key=True, skip_locked=True, of=("self",))
    return _expire(list(rows.select_related("item__queue__site")))


def _own(by: User, queue: AnnotationQueue | None, besides: list[UUID | str]) -> Annotation | None:
    """Begun before returned before reserved before assigned."""
    mine = Annotation.objects.filter(
        annotator=by, origin=AnnotationOrigin.PERSON, status__in=IN_WORK, item__queue__closed_at=None
    ).filter(item__queue__site=by.site_id, item__consultation__case__deleted_at=None)
    if queue:
        mine = mine.filter(item__queue=queue)
    reserved = Q(reserved_until__isnull=False)
    rank = Case(
        When(status=AnnotationStatus.OPEN, draft_number__gt=0, then=0),
        When(status=AnnotationStatus.RETURNED, then=1),
        When(reserved, then=2),
        default=3,
        output_field=IntegerField(),
    )
    # What was fetched early comes after what it was fetched behind.
    since = Case(When(reserved, then="started_at"), output_field=DateTimeField())
    ordered = mine.exclude(pk__in=besides).order_by(rank, since, "item__position", "pk")
    for found in ordered[:5]:
        try:
            renew(annotation=found, by=by)
        except Refused:
            continue  # somebody else took it up between the two reads
        return _read(found.pk)
    return None


def _free(by: User, queue: AnnotationQueue | None, *, skip: bool) -> Annotation | None:
    """Queue by queue, the oldest first, so that each is read along its index."""
    if queue:
        return _free_of(queue, by, skip)
    queues = AnnotationQueue.objects.visible_to(by).filter(closed_at=None).order_by("created_at", "pk")
    return next((found for one in queues if (found := _free_of(one, by, skip))), None)


def _free_of(queue: AnnotationQueue, by: User, skip: bool) -> Annotation | None:
    full: list[UUID] = []
    while (item := _candidates(by, queue, skip).exclude(pk__in=full).first()) is not None:
        # The count in the query is as old as its snapshot: whoever held the lock before may have taken the last place.
        if item.annotations.filter(live()).count() < item.wanted:
            return _reserve(item, by, reserved_until=_until(item.queue))
        full.append(item.pk)
    return None


def _candidates(by: User, queue: AnnotationQueue, skip: bool) -> QuerySet[QueueItem]:
    """Items with a free place that this person may judge, locked as they are read."""
    items = open_to(by).filter(queue=queue)
    return items.select_related("queue").select_for_update(no_key=True, skip_locked=skip, of=("self",))


def open_to(person: User) -> QuerySet[QueueItem]:
    """What this person could still take: room, not had before, not their own consultation, repeats after the first."""
    taken = Annotation.objects.filter(item=OuterRef("pk")).filter(live()).order_by()
    count = Subquery(taken.values("item").annotate(n=Count("pk")).values("n"), output_field=IntegerField())
    mine = Annotation.objects.filter(annotator=person, origin=AnnotationOrigin.PERSON)
    kept = mine.exclude(status=AnnotationStatus.EXPIRED)
    first = mine.filter(item=OuterRef("repeat_of"), status=AnnotationStatus.SUBMITTED)
    known = mine.filter(item__consultation=OuterRef("consultation"), status=AnnotationStatus.SUBMITTED)
    both = Q(consultation=OuterRef("consultation")) | Q(consultation=OuterRef("other"))
    gave = Handover.objects.filter(both, sender=person)
    return (
        QueueItem.objects.filter(queue__site=person.site_id, queue__closed_at=None, submitted__lt=F("wanted"))
        .filter(consultation__case__deleted_at=None)
        .exclude(Q(consultation__clinician=person) | Q(other__isnull=False, other__clinician=person))
        .filter(~Exists(gave), ~Exists(kept.filter(item=OuterRef("pk"))))
        .filter(Q(repeat_of=None) | Exists(first), Q(gold=False) | ~Exists(known.exclude(item=OuterRef("pk"))))
        .annotate(taken=Coalesce(count, 0))
        .filter(taken__lt=F("wanted"))
        .order_by("position", "pk")
    )


def _reserve(item: QueueItem, by: User, **fields: Any) -> Annotation:
    """Under the item's lock. A reservation of the same person that ran out is taken up again, with its draft."""
    _expire_of(item)
    before = item.annotations.filter(
        annotator=by, origin=AnnotationOrigin.PERSON, status=AnnotationStatus.EXPIRED
    ).first()
    if before:
        before.move_to(AnnotationStatus.OPEN, by=by, reason="taken up again", **fields)
        made = before
    else:
        made = Annotation.objects.create(
            item=item,
            annotator=by,
            rubric_version_id=item.rubric_version_id,
            swapped=item.other_id is not None and second_first(item, by),
            **fields,
        )
    _audit(made, fields.get("assigned_by") or by, "assigned" if "assigned_by" in fields else "taken", annotator=by.pk)
    return _read(made.pk)


def second_first(item: QueueItem, person: User) -> bool:
    """A/B: the order in which this person sees the two, drawn once for each person and item."""
    return bool(sha256(f"{item.queue.seed}:{item.pk}:{person.pk}".encode()).digest()[0] & 1)


def _take_up(current: Annotation, by: User) -> None:
    if current.item.annotations.filter(live()).count() >= current.item.wanted:
        raise Refused(SENTENCES["taken_over"])
    _expire_of(current.item)
    current.refresh_from_db(fields=["status"])
    current.move_to(AnnotationStatus.OPEN, by=by, reason="taken up again", reserved_until=_until(current.item.queue))
    _audit(current, by, "taken", annotator=by.pk)


def _assigned(item: QueueItem, to: User | None, by: User) -> Annotation:
    if item.queue.closed_at:
        raise Refused(SENTENCES["closed"])
    if to is None or not to.may_annotate or to.site_id != item.queue.site_id:
        raise Refused(SENTENCES["no_annotator"])
    if to.pk in _holders(item):
        raise Refused(SENTENCES["own"].format(name=to.display_name))
    if item.annotations.filter(annotator=to).exclude(status=AnnotationStatus.EXPIRED).exists():
        raise Refused(SENTENCES["had_it"].format(name=to.display_name))
    if item.annotations.filter(live()).count() >= item.wanted:
        raise Refused(SENTENCES["full"])
    return _reserve(item, to, assigned_by=by, reserved_until=None)


def _holders(item: QueueItem) -> set[int]:
    both = [consultation for consultation in (item.consultation, item.other) if consultation]
    given = Handover.objects.filter(consultation__in=both).values_list("sender", flat=True)
    return {consultation.clinician_id for consultation in both} | set(given)


def _expire_of(item: QueueItem) -> None:
    """Under the item's lock; a row that `expire` holds is waited for, and left out once it is no longer open."""
    _expire(list(item.annotations.filter(_lapsed()).order_by("pk").select_for_update(no_key=True)))


def _expire(rows: list[Annotation]) -> int:
    for row in rows:
        row.move_to(AnnotationStatus.EXPIRED, by=None, reason="the reservation ran out")
        _audit(row, None, "expired", annotator=row.annotator_id)
    return len(rows)


def _locked(annotation: Annotation) -> Annotation:
    """As it is now, its item locked first: whoever changes hands waits there; only `expire` locks the row alone."""
    _lock(annotation.item_id)
    return _read(annotation.pk, Annotation.objects.select_for_update(no_key=True, of=("self",)))


def _lock(item: UUID) -> QueueItem:
    return (
        QueueItem.objects.select_for_update(no_key=True, of=("self",))
        .select_related("queue", "consultation")
        .get(pk=item)
    )


def _read(pk: UUID, rows: QuerySet[Annotation] | None = None) -> Annotation:
    rows = Annotation.objects.all() if rows is None else rows
    return rows.select_related("item__queue__site", "item__consultation__case", "feedback").get(pk=pk)


def _until(queue: AnnotationQueue) -> datetime:
    return timezone.now() + timedelta(minutes=queue.reservation_minutes)


def _keeper(by: User, queue: AnnotationQueue) -> None:
    if not by.may_run_queues or by.site_id != queue.site_id:
        raise Refused(SENTENCES["may_not_keep"])
    if queue.closed_at:
        raise Refused(SENTENCES["closed"])


def _audit(annotation: Annotation, by: User | None, what: str, **data: Any) -> None:
    """Who had what, and when; never a reason, which is the annotator's words."""
    facts = {"queue": str(annotation.item.queue_id), "item": str(annotation.item_id), **data}
    site = annotation.item.queue.site
    audit.record(by=by, action=f"annotation.{what}", noun="annotation", target=annotation.pk, data=facts, site=site)
