"""Runs that begin by themselves: in their window (UTC), with enough new feedback, and nothing in the way."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from clinic.learnable import HELD_OUT, PRACTISED
from clinic.models import CaseKind, Feedback, FeedbackStatus, Site, StatusChange, User, VersionStatus
from clinic.services import audit
from clinic.services.errors import Refused
from training import snapshots
from training.models import Gate, GateStatus, Run, RunStatus, Schedule, TrainerName
from training.runs import asking, disk, wishes

WHY_NOT = {
    "disabled": "It is switched off.",
    "nobody": "The person who made it no longer runs training here; another administrator must save it again.",
    "window": "It is outside its window.",
    "feedback": "{new} of {needed} new approved judgements since its last run.",
    "busy": "The accelerator is in use: {what}.",
    "gate": "A gate waits to be looked at: {gate}.",
}
SENTENCES = {
    "name": "Give the schedule a name that no other one here has.",
    "weekdays": "Choose days of the week, or none for every day.",
    "times": "The window must begin and end at different times.",
    "at_least": "The number of new judgements must be from 1 to 100000.",
}


@transaction.atomic
def save(
    *,
    site: Site,
    by: User,
    name: str,
    trainer: str,
    opens: time,
    closes: time,
    recipe: str = "default",
    config: dict[str, Any] | None = None,
    weekdays: list[int] | None = None,
    at_least: int = 50,
    enabled: bool = True,
    schedule: Schedule | None = None,
) -> Schedule:
    """A new schedule, or a changed one; its runs are started in the name of who saved it last. Raises Refused."""
    asking.check_admin(by, site)
    days = sorted(set(weekdays or []))
    same_name = Schedule.objects.filter(site=site, name=name.strip()).first()
    if not name.strip() or (same_name and same_name != schedule):
        raise Refused(SENTENCES["name"])
    if not all(isinstance(day, int) and 0 <= day <= 6 for day in days):
        raise Refused(SENTENCES["weekdays"])
    if opens == closes:
        raise Refused(SENTENCES["times"])
    if not 1 <= at_least <= 100_000:
        raise Refused(SENTENCES["at_least"])
    wanted = {
        "name": name.strip()[:120], "trainer": asking.known(trainer), "recipe": asking.checked_recipe(recipe),
        "config": wishes.checked(config, trainer), "weekdays": days, "opens": opens, "closes": closes,
        "at_least": at_least, "enabled": enabled, "by": by, "why_not": "",
    }  # fmt: skip
    row = schedule or Schedule(site=site)
    for field, value in wanted.items():
        setattr(row, field, value)
    row.save()
    facts = {**wanted, "by": by.username, "opens": str(opens), "closes": str(closes)}
    audit.record(by=by, action="schedule.saved", noun="schedule", target=row.pk, data=facts, site=site)
    return row


def look_at_all(now: datetime | None = None) -> int:
    """How many runs began; for each of the others why not is kept."""
    return sum(look_at(number, now=now) for number in Schedule.objects.values_list("pk", flat=True))


@transaction.atomic
def look_at(number: int, *, now: datetime | None = None) -> bool:
    """Whether a run began; two lookers at once begin one."""
    schedule = (
        Schedule.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
        .select_related("site", "by")
        .filter(pk=number)
        .first()
    )
    if schedule is None:
        return False
    moment = now or timezone.now()
    reason = why_not(schedule, now=moment)
    if not reason:
        try:
            with transaction.atomic():
                _begin(schedule, moment)
        except Refused as refused:
            if isinstance(refused, disk.DiskFull):
                disk.ring(refused)
            reason = str(refused)
    Schedule.objects.filter(pk=number).update(looked_at=moment, why_not=reason[:300])
    return not reason


def why_not(schedule: Schedule, *, now: datetime) -> str:
    """What keeps it from beginning now; '' where nothing does."""
    if not schedule.enabled:
        return WHY_NOT["disabled"]
    if schedule.by is None or not schedule.by.is_site_admin or schedule.by.site_id != schedule.site_id:
        return WHY_NOT["nobody"]
    if not is_open(schedule, now):
        return WHY_NOT["window"]
    new = new_judgements(schedule)
    if new < schedule.at_least:
        return WHY_NOT["feedback"].format(new=new, needed=schedule.at_least)
    busy = in_use()
    if busy:
        return WHY_NOT["busy"].format(what=busy)
    gate = unreviewed(schedule.site)
    return WHY_NOT["gate"].format(gate=gate) if gate else ""


def is_open(schedule: Schedule, now: datetime) -> bool:
    """Whether the window is open; one over midnight belongs to the day on which it opened."""
    at = now.astimezone(UTC)
    clock, day = at.time().replace(tzinfo=None), at.weekday()
    if schedule.opens < schedule.closes:
        inside = schedule.opens <= clock < schedule.closes
    elif clock >= schedule.opens:
        inside = True
    else:
        inside, day = clock < schedule.closes, (at - timedelta(days=1)).weekday()
    return inside and (not schedule.weekdays or day in schedule.weekdays)


def new_judgements(schedule: Schedule) -> int:
    """Feedback of the site that may be learned from and was approved since this schedule last began a run."""
    last = Run.objects.filter(schedule=schedule).order_by("-created_at").values_list("created_at", flat=True).first()
    since = last or schedule.created_at
    if last is None:
        return _approved(schedule).count()
    moved = StatusChange.objects.filter(noun="feedback", new=FeedbackStatus.APPROVED, at__gt=since)
    # `target` is a text column of many nouns, so the ids are compared here.
    lately = set(moved.values_list("target", flat=True))
    return sum(str(pk) in lately for pk in _approved(schedule).values_list("pk", flat=True))


def in_use() -> str:
    """Which run or gate has the accelerator, or waits for it; '' where it is free."""
    at_work = Run.objects.filter(status__in=[RunStatus.QUEUED, RunStatus.RUNNING]).first()
    compared = Gate.objects.filter(status__in=[GateStatus.QUEUED, GateStatus.RUNNING]).first()
    if at_work:
        return f"the run {at_work}" if at_work.name else str(at_work).lower()
    return "a gate is comparing" if compared else ""


def unreviewed(site: Site) -> str:
    """A gate that passed while people have not yet signed for its candidate; '' where none is."""
    passed = Gate.objects.filter(site=site, status=GateStatus.PASSED, candidate__status=VersionStatus.CANDIDATE)
    signed = Q(record__signatures__role="physician") & Q(record__isnull=False)
    waiting = passed.exclude(pk__in=passed.filter(signed).filter(record__signatures__role="admin").values("pk"))
    first = waiting.select_related("candidate").first()
    return first.candidate.version if first else ""


def _approved(schedule: Schedule) -> QuerySet[Feedback]:
    """Of cases that may be learned from: judgements that no snapshot takes begin no run."""
    rows = Feedback.objects.filter(site=schedule.site, status=FeedbackStatus.APPROVED, consent=True)
    rows = rows.filter(consultation__case__deleted_at=None, consultation__case__credentialed=False)
    held_out = Q(consultation__case__key__startswith=HELD_OUT) & ~Q(consultation__case__key__startswith=PRACTISED)
    return rows.filter(consultation__isnull=False).exclude(consultation__case__kind=CaseKind.PATIENT).exclude(held_out)


def _begin(schedule: Schedule, now: datetime) -> Run:
    assert schedule.by is not None  # why_not asked
    name = f"{schedule.name}, {now.astimezone(UTC):%-d %b %Y}"
    snapshot = None
    if schedule.trainer != TrainerName.WORLD:
        snapshot = snapshots.make(site=schedule.site, by=schedule.by, name=name)
    return asking.start(
        site=schedule.site,
        by=schedule.by,
        trainer=schedule.trainer,
        recipe=schedule.recipe,
        snapshot=snapshot,
        config=schedule.config,
        name=name,
        schedule=schedule,
    )
