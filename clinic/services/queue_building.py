"""Builds queues: what a query would take, counted before anything is made, and then the items themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from clinic.models import (
    Annotation,
    AnnotationOrigin,
    AnnotationQueue,
    AnnotationStatus,
    Consultation,
    QueueItem,
    QueueKind,
    RubricStatus,
    RubricVersion,
    User,
)
from clinic.queue_candidates import Found, find
from clinic.queue_query import MOST_ITEMS, QueueQuery
from clinic.queue_sample import Candidate, Chosen, choose, draw, pairs, some
from clinic.services import audit, rubrics
from clinic.services.errors import Refused
from clinic.services.queue_dealing import deal

SENTENCES = {
    "may_not_keep": "Only adjudicators and administrators of this site build its queues.",
    "nothing": "Nothing matches, so there is no queue to build. Widen the period, or take a larger share.",
    "no_rubric": "No rubric in force judges any of these. Publish one first; a general one judges all.",
    "not_in_force": "This rubric is not in force here. Choose a published one, or let each item have its own.",
    "too_many": f"That would be more than {MOST_ITEMS} items. Take a smaller share, or a shorter period.",
    "no_title": "Give the queue a name. Nothing was built.",
    "no_annotators": "Choose at least as many people as judge each item, or none: then everybody may take from it.",
    "kind": "A comparison of two policies has no rubric, and a rubric judges one policy at a time.",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a query and a seed take: the counts that the preview shows, and the rows that building makes."""

    found: Found
    chosen: list[Chosen] = field(default_factory=list)
    rubrics: dict[UUID, RubricVersion] = field(default_factory=dict)
    without_rubric: int = 0
    gold: list[UUID] = field(default_factory=list)
    """Consultations that have an authoritative annotation by the same rubric: some of the chosen, and more."""
    repeats: list[UUID] = field(default_factory=list)
    strata: list[tuple[str, int, int, int]] = field(default_factory=list)
    """(stratum, found, taken whole, sampled)."""

    @property
    def added(self) -> list[UUID]:
        """Gold that the query itself did not take."""
        taken = {one.candidate.id for one in self.chosen}
        return [key for key in self.gold if key not in taken]

    @property
    def size(self) -> int:
        return len(self.chosen) + len(self.added) + len(self.repeats)


def plan(*, query: QueueQuery, seed: int, by: User, rubric: RubricVersion | None = None) -> Plan:
    """Reads only. The same query and seed over the same rows give the same plan."""
    if not by.may_run_queues:
        raise Refused(SENTENCES["may_not_keep"])
    found = find(query, by)
    candidates = found.candidates
    if query.first is not None and query.second is not None:
        candidates = pairs(candidates, query.first, query.second, seed)
    chosen = choose(candidates, query, seed)
    if len(chosen) > MOST_ITEMS:
        raise Refused(SENTENCES["too_many"])
    judged = {} if query.compares else _rubrics([one.candidate.id for one in chosen], rubric, by)
    kept = [one for one in chosen if query.compares or one.candidate.id in judged]
    gold = [] if query.compares else _gold(query, seed, rubric, by, len(kept))
    judged |= {key: version for key, version in gold if key not in judged}
    keys = [key for key, _ in gold]
    plain = [one.candidate.id for one in kept if one.candidate.id not in keys]
    repeats = some(plain, query.repeat_percent, seed, "repeat")
    return Plan(found, kept, judged, len(chosen) - len(kept), keys, repeats, _strata(candidates, chosen, query))


@transaction.atomic
def build(
    *,
    query: QueueQuery,
    seed: int,
    by: User,
    title: str,
    overlap: int = 2,
    blind: bool = True,
    minutes: int = 30,
    rubric: RubricVersion | None = None,
    people: Sequence[User] = (),
) -> AnnotationQueue:
    """The queue with its items, and where people are named, every item dealt to as many of them as judge it."""
    if by.site is None:
        raise Refused(SENTENCES["may_not_keep"])
    if not title.strip():
        raise Refused(SENTENCES["no_title"])
    if query.compares and rubric:
        raise Refused(SENTENCES["kind"])
    if rubric and (rubric.status != RubricStatus.PUBLISHED or rubric.rubric.site_id != by.site_id):
        raise Refused(SENTENCES["not_in_force"])
    if people and (len(people) < overlap or any(not one.may_annotate or one.site_id != by.site_id for one in people)):
        raise Refused(SENTENCES["no_annotators"])
    made = plan(query=query, seed=seed, by=by, rubric=rubric)
    if not made.chosen:
        raise Refused(SENTENCES["no_rubric" if made.without_rubric else "nothing"])
    queue = AnnotationQueue.objects.create(
        site=by.site,
        title=title.strip()[:200],
        kind=QueueKind.PREFERENCE if query.compares else QueueKind.RUBRIC,
        query=query.as_dict(),
        seed=seed,
        rubric_version=rubric,
        overlap=overlap,
        blind=blind,
        reservation_minutes=minutes,
        created_by=by,
    )
    items = _items(queue, made)
    dealt = deal(items, people, by)
    facts = {"items": len(items), "gold": len(made.gold), "repeats": len(made.repeats), "dealt": dealt}
    facts |= {"query": queue.query, "seed": seed, "overlap": overlap, "without_rubric": made.without_rubric}
    audit.record(by=by, action="queue.built", noun="queue", target=queue.pk, data=facts)
    return queue


@transaction.atomic
def close(*, queue: AnnotationQueue, by: User) -> None:
    """Nothing more is taken or submitted; what is in work ends, with its drafts kept."""
    current = AnnotationQueue.objects.visible_to(by).select_for_update(no_key=True).filter(pk=queue.pk).first()
    if current is None or not by.may_run_queues:
        raise Refused(SENTENCES["may_not_keep"])
    if current.closed_at:
        return
    # The items first, as everybody who changes hands does.
    list(current.items.select_for_update(no_key=True).order_by("position", "pk").values_list("pk"))
    left = Annotation.objects.filter(item__queue=current, origin=AnnotationOrigin.PERSON)
    for one in left.filter(status__in=[AnnotationStatus.OPEN, AnnotationStatus.RETURNED]):
        one.move_to(AnnotationStatus.EXPIRED, by=by, reason="the queue was closed")
    current.closed_at = queue.closed_at = timezone.now()
    current.save(update_fields=["closed_at"])
    audit.record(by=by, action="queue.closed", noun="queue", target=current.pk)


def _rubrics(keys: Sequence[UUID], rubric: RubricVersion | None, by: User) -> dict[UUID, RubricVersion]:
    """Which version judges each; those that none judges are missing."""
    rows = Consultation.objects.filter(pk__in=keys).select_related("case").defer("case__sheet")
    unsaved = AnnotationQueue(site=by.site, rubric_version=rubric)
    found = rubrics.for_consultations(consultations=rows, queue=unsaved)
    return {key: version for key, version in found.items() if version is not None}


def _gold(
    query: QueueQuery, seed: int, rubric: RubricVersion | None, by: User, size: int
) -> list[tuple[UUID, RubricVersion]]:
    """A share of `size`, of consultations whose authoritative annotation was made by the rubric that judges them."""
    if not query.gold_percent or not size:
        return []
    settled = Annotation.objects.filter(authoritative=True, item__other=None, item__queue__site=by.site_id)
    settled = settled.filter(item__consultation__in=Consultation.objects.visible_to(by))
    if query.kinds:
        settled = settled.filter(item__consultation__case__kind__in=query.kinds)
    known = set(settled.values_list("item__consultation", "rubric_version"))
    judged = _rubrics([key for key, _ in known], rubric, by)
    pool = [key for key, version in judged.items() if (key, version.pk) in known]
    wanted = max(1, (size * query.gold_percent + 50) // 100)
    drawn = sorted(pool, key=lambda key: draw(seed, "gold", key))[:wanted]
    return [(key, judged[key]) for key in drawn]


def _strata(
    candidates: Sequence[Candidate], chosen: Sequence[Chosen], query: QueueQuery
) -> list[tuple[str, int, int, int]]:
    found = Counter(one.stratum(query.strata) for one in candidates)
    whole = Counter(one.stratum for one in chosen if not one.sampled)
    sampled = Counter(one.stratum for one in chosen if one.sampled)
    return [(stratum, count, whole[stratum], sampled[stratum]) for stratum, count in sorted(found.items())]


def _items(queue: AnnotationQueue, made: Plan) -> list[QueueItem]:
    """The chosen in their drawn order with gold among them, then the repeats: a first look is never far from the
    beginning, and its repeat never near it."""
    gold = set(made.gold)
    rows = [
        QueueItem(
            consultation_id=one.candidate.id,
            other_id=one.candidate.other,
            rubric_version=made.rubrics.get(one.candidate.id),
            stratum=one.stratum,
            gold=one.candidate.id in gold,
        )
        for one in made.chosen
    ]
    added = [QueueItem(consultation_id=key, rubric_version=made.rubrics[key], gold=True) for key in made.added]
    for number, one in enumerate(added):
        rows.insert((number * 7919 + queue.seed) % (len(rows) + 1), one)
    first = {row.consultation_id: row for row in rows}
    for key in made.repeats:
        source = first[key]
        rows.append(
            QueueItem(
                consultation_id=key,
                other_id=source.other_id,
                rubric_version=source.rubric_version,
                stratum=source.stratum,
                repeat_of=source,
            )
        )
    for position, row in enumerate(rows):
        row.queue, row.position, row.wanted = queue, position, queue.overlap
    return QueueItem.objects.bulk_create(rows)
