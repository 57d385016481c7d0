"""How far queues are, who has what in them, and how each annotator agrees with gold and with themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import (
    Aggregate,
    Case,
    CharField,
    Count,
    Exists,
    F,
    FloatField,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Coalesce, JSONObject

from clinic.blindness import judged_blindly, readable_by
from clinic.models import (
    Annotation,
    AnnotationOrigin,
    AnnotationQueue,
    AnnotationStatus,
    QueueItem,
    Rating,
    Role,
    User,
)
from clinic.services.queues import IN_WORK, live, open_to

FINISHED = Q(submitted__gte=F("wanted"))


class Median(Aggregate):
    function = "PERCENTILE_CONT"
    template = "%(function)s(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()


@dataclass(frozen=True, slots=True)
class Load:
    """One annotator's work in one queue; shares are None where nothing can be compared."""

    name: str
    done: int
    open: int
    returned: int
    expired: int
    declined: int
    seconds: float | None
    gold: float | None
    gold_n: int
    again: float | None
    again_n: int


def queues_for(user: User) -> QuerySet[AnnotationQueue]:
    """The site's queues with how far they are and what waits for this person; open ones first."""
    items = QueueItem.objects.filter(queue=OuterRef("pk")).order_by().values("queue")
    mine = Annotation.objects.filter(item__queue=OuterRef("pk"), annotator=user, origin=AnnotationOrigin.PERSON)
    in_queue = mine.order_by().values("item__queue")
    return (
        AnnotationQueue.objects.visible_to(user)
        .annotate(
            item_count=_count(items),
            finished=_count(items.filter(FINISHED)),
            wanted_sum=Coalesce(Subquery(items.annotate(n=Sum("wanted")).values("n")), 0),
            submitted_sum=Coalesce(Subquery(items.annotate(n=Sum("submitted")).values("n")), 0),
            waiting=_count(in_queue.filter(status__in=IN_WORK)),
            done=_count(in_queue.filter(status=AnnotationStatus.SUBMITTED)),
            has_more=Exists(open_to(user).filter(queue=OuterRef("pk"))) if user.may_annotate else Value(False),
        )
        .order_by(F("closed_at").asc(nulls_first=True), "-created_at")
    )


def strata_of(queue: AnnotationQueue) -> list[dict[str, Any]]:
    """Items, finished items and judgements of each stratum; repeats count in theirs."""
    rows = (
        queue.items.order_by()
        .values("stratum")
        .annotate(
            items=Count("pk"), finished=Count("pk", filter=FINISHED), wanted=Sum("wanted"), submitted=Sum("submitted")
        )
    )
    return [{**row} for row in rows.order_by("stratum")]


def load_of(queue: AnnotationQueue) -> list[Load]:
    """One query, whatever the number of items."""
    status = {name: Count("pk", filter=Q(status=name)) for name in AnnotationStatus.values}
    sums = {f"{name}_sum": Sum(name) for name in ("gold_same", "gold_n", "again_same", "again_n")}
    rows = (
        Annotation.objects.filter(item__queue=queue, origin=AnnotationOrigin.PERSON)
        .annotate(**_compared("gold", _gold(), Q(item__gold=True)), **_compared("again", _first(), _REPEATS))
        .order_by()
        .values("annotator", "annotator__first_name", "annotator__last_name", "annotator__username")
        .annotate(**{f"n_{name}": count for name, count in status.items()}, **sums)
        .annotate(median=Median("seconds", filter=Q(status=AnnotationStatus.SUBMITTED)))
    )
    return sorted((_load(row) for row in rows), key=lambda one: (-one.done, one.name))


def items_of(queue: AnnotationQueue, state: str = "") -> QuerySet[QueueItem]:
    """Items in the queue's order, their ids alone; `state`: waiting, in_work, declined, done."""
    mine = Annotation.objects.filter(item=OuterRef("pk"))
    states = {
        "done": FINISHED,
        "in_work": Exists(mine.filter(live(), status__in=IN_WORK)),
        "waiting": ~FINISHED & ~Exists(mine.filter(live(), status__in=IN_WORK)),
        "declined": Exists(mine.filter(status=AnnotationStatus.DECLINED)) & ~FINISHED,
    }
    items = queue.items.filter(consultation__case__deleted_at=None).only("pk", "queue").order_by("position", "pk")
    return items.filter(states[state]) if state in states else items


def with_judgements(items: Sequence[QueueItem], user: User) -> list[QueueItem]:
    """These items whole, with their judgements beside them, in their order; `policy_hidden` from who judges one now."""
    judged = Annotation.objects.filter(item=OuterRef("pk"), origin=AnnotationOrigin.PERSON).order_by("started_at")
    words = [When(status=value, then=Value(str(label).lower())) for value, label in AnnotationStatus.choices]
    row = JSONObject(
        status=F("status"),
        word=Case(*words, output_field=CharField()),
        first=F("annotator__first_name"),
        last=F("annotator__last_name"),
        username=F("annotator__username"),
    )
    whole = QueueItem.objects.filter(pk__in=[item.pk for item in items], consultation__case__deleted_at=None)
    whole = whole.select_related("consultation__case", "rubric_version__rubric")
    whole = whole.defer("consultation__case__sheet", "consultation__case__history", "consultation__case__extra")
    judgements = ArraySubquery(judged.annotate(row=row).values("row"))
    return list(whole.annotate(judgements=judgements, policy_hidden=judged_blindly(user, "consultation")))


def annotators_of(user: User) -> QuerySet[User]:
    """Who can be given an item of this person's site."""
    return User.objects.filter(site=user.site_id, is_active=True, role__in=[Role.ANNOTATOR, Role.ADJUDICATOR])


def judgements_shown(*, item: QueueItem, user: User) -> QuerySet[Annotation]:
    """What this person may read of an item's judgements: their own, and the others' once theirs cannot be swayed.

    Blind: not before their own is submitted; who has no part in the item reads it when they can no longer take it.
    """
    own, others = Q(annotator=user), Q(status=AnnotationStatus.SUBMITTED)
    given = item.annotations.filter(own, others, origin=AnnotationOrigin.PERSON)
    if item.queue.blind and not given.exists():
        others &= readable_by(user)
    return item.annotations.filter(own | others)


_REPEATS = Q(item__repeat_of__isnull=False)


def _gold() -> QuerySet[Rating]:
    """The authoritative verdicts on the same consultation, given elsewhere."""
    known = Rating.objects.filter(
        annotation__authoritative=True, annotation__item__consultation=OuterRef("annotation__item__consultation")
    )
    return known.exclude(annotation__item=OuterRef("annotation__item"))


def _first() -> QuerySet[Rating]:
    """The same annotator's verdicts on the item that this one repeats."""
    return Rating.objects.filter(
        annotation__annotator=OuterRef("annotation__annotator"),
        annotation__item=OuterRef("annotation__item__repeat_of"),
        annotation__status=AnnotationStatus.SUBMITTED,
        annotation__origin=AnnotationOrigin.PERSON,
    )


def _compared(name: str, others: QuerySet[Rating], where: Q) -> dict[str, Case]:
    """For an annotation: how many of its verdicts have a counterpart, and how many of those are equal."""
    turn = Coalesce(OuterRef("turn"), -1)
    others = others.annotate(at=Coalesce("turn", -1)).filter(criterion=OuterRef("criterion"), at=turn)
    verdicts = Rating.objects.filter(annotation=OuterRef("pk")).annotate(other=Subquery(others.values("verdict")[:1]))
    both = verdicts.exclude(other=None).order_by().values("annotation")
    submitted = where & Q(status=AnnotationStatus.SUBMITTED)
    counts = {f"{name}_n": _count(both), f"{name}_same": _count(both.filter(verdict=F("other")))}
    return {key: Case(When(submitted, then=count), default=0) for key, count in counts.items()}


def _count(rows: QuerySet[Any, Any]) -> Coalesce:
    return Coalesce(Subquery(rows.annotate(n=Count("pk")).values("n"), output_field=IntegerField()), 0)


def _load(row: Mapping[str, Any]) -> Load:
    name = f"{row['annotator__first_name']} {row['annotator__last_name']}".strip() or row["annotator__username"]
    gold, again = row["gold_n_sum"], row["again_n_sum"]
    return Load(
        name=name,
        done=row["n_submitted"],
        open=row["n_open"],
        returned=row["n_returned"],
        expired=row["n_expired"],
        declined=row["n_declined"],
        seconds=row["median"],
        gold=row["gold_same_sum"] / gold if gold else None,
        gold_n=gold,
        again=row["again_same_sum"] / again if again else None,
        again_n=again,
    )
