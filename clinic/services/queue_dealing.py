"""Deals the items of a new queue to named people: each to as many as judge it, evenly, and nobody's own to them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from uuid import UUID

from clinic.models import Annotation, AnnotationStatus, Consultation, Handover, QueueItem, User
from clinic.queue_sample import draw
from clinic.services.queues import second_first


def deal(items: Sequence[QueueItem], people: Sequence[User], by: User) -> int:
    """How many judgements were assigned. Repeats are left out: only who judged the first one may take them."""
    if not people:
        return 0
    barred, here = _barred(items), {one.pk for one in people}
    load: Counter[int] = Counter()
    rows: list[Annotation] = []
    # Where fewest may judge comes first, so that the others can even out.
    for item in sorted((one for one in items if not one.repeat_of_id), key=lambda one: -len(barred[one.pk] & here)):
        able = sorted(
            (one for one in people if one.pk not in barred[item.pk]),
            key=lambda one: (load[one.pk], draw(item.queue.seed, f"deal {item.position}", one.pk)),
        )
        for one in able[: item.wanted]:
            load[one.pk] += 1
            rows.append(_assigned(item, one, by))
    return len(Annotation.objects.bulk_create(rows))


def _assigned(item: QueueItem, to: User, by: User) -> Annotation:
    compared = item.other_id is not None
    return Annotation(
        item=item,
        annotator=to,
        assigned_by=by,
        rubric_version_id=item.rubric_version_id,
        swapped=compared and second_first(item, to),
    )


def _barred(items: Sequence[QueueItem]) -> defaultdict[UUID, set[int]]:
    """Who may not judge which item: who held the consultation, and for gold who has judged it before."""
    both = {key for item in items for key in (item.consultation_id, item.other_id) if key}
    held: defaultdict[UUID | None, set[int]] = defaultdict(set)
    for key, person in Consultation.objects.filter(pk__in=both).values_list("pk", "clinician"):
        held[key].add(person)
    for key, person in Handover.objects.filter(consultation__in=both).values_list("consultation", "sender"):
        held[key].add(person)
    judged: defaultdict[UUID, set[int]] = defaultdict(set)
    gold = {item.consultation_id for item in items if item.gold}
    before = Annotation.objects.filter(item__consultation__in=gold, status=AnnotationStatus.SUBMITTED)
    for key, person in before.exclude(annotator=None).values_list("item__consultation", "annotator"):
        judged[key].add(person)
    found: defaultdict[UUID, set[int]] = defaultdict(set)
    for item in items:
        known = judged[item.consultation_id] if item.gold else set()
        found[item.pk] = held[item.consultation_id] | (held[item.other_id] if item.other_id else set()) | known
    return found
