"""A judge rates the items of a queue: one annotation each, errors kept as errors, goes on where it broke off."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Protocol

from celery import current_app
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from kombu.exceptions import OperationalError

from agents.errors import PolicyError
from agents.judge import JudgeError, RulesFirst
from agents.rubrics import Criterion, Rating, Verdict, score
from agents.types import Episode
from clinic.models import (
    Annotation,
    AnnotationOrigin,
    AnnotationQueue,
    AnnotationStatus,
    CaseKind,
    IllegalTransition,
    QueueItem,
    RubricCriterion,
    StaleStatus,
    User,
)
from clinic.models import Rating as Verdicted
from clinic.services import audit
from clinic.services.errors import Refused
from training import judges
from training.judges import Instrument
from training.models import JudgeRun, JudgeRunStatus
from training.stored_episodes import stored_episodes

log = logging.getLogger(__name__)
TASK = "training.judge"
"""Named outside training.tasks, whose queue is the GPU's: judging waits for a server, not for a device."""
TRIES = 2
PAUSE = 0.5
AT_ONCE = 20
"""Consultations read together."""
SILENT = timedelta(minutes=5)
"""Without a sign of life for so long, a run's worker is gone."""
FAILURES = (JudgeError, PolicyError, TimeoutError, OSError, ValueError)
"""How a judge fails: nothing readable, no server, or a rule that does not exist. Each is an error, never a verdict."""
SENTENCES = {
    "may_not": "Only adjudicators and administrators of this site let a judge rate its queues.",
    "compares": "A judge rates by rubric; this queue compares two consultations.",
    "running": "This judge is at work on this queue already; the page shows how far it is.",
    "changed": "The judge was changed since this run was asked for; begin again.",
    "nobody": "The worker stopped in the middle. What was judged is kept; go on whenever you like.",
    "all_failed": "Not one verdict could be had: {reason}. Nothing was scored; try again when the judge answers.",
}


class Rates(Protocol):
    """agents.judge.RuleJudge, RulesFirst, or a double."""

    async def rate(self, episode: Episode, criterion: Criterion) -> Rating: ...


@transaction.atomic
def start(*, queue: AnnotationQueue, name: str, by: User) -> JudgeRun:
    """A run that waits for a worker: a new one, or the one this judge had here, to go on."""
    if not by.may_run_queues or by.site_id != queue.site_id:
        raise Refused(SENTENCES["may_not"])
    if not queue.items.filter(other=None).exists():
        raise Refused(SENTENCES["compares"])
    chosen = judges.instrument(name)
    run, made = JudgeRun.objects.select_for_update(no_key=True).get_or_create(
        queue=queue, judge=chosen.identity, defaults={"name": name, "by": by}
    )
    if not made:
        if is_alive(run):
            raise Refused(SENTENCES["running"])
        if run.status != JudgeRunStatus.QUEUED:
            run.move_to(JudgeRunStatus.QUEUED, by=by, reason="asked for again", error="", finished_at=None)
    JudgeRun.objects.filter(pk=run.pk).update(seen_at=timezone.now())
    facts = {"queue": str(queue.pk), "judge": run.judge}
    audit.record(by=by, action="judge.started", noun="judge_run", target=run.pk, data=facts)
    transaction.on_commit(lambda: send(run.pk))
    return run


def send(run_id: int) -> None:
    """Without a broker the run waits; asked for again, it is sent again."""
    try:
        current_app.send_task(TASK, args=[run_id], ignore_result=True, retry=False)
    except OperationalError:
        log.warning("no broker: judge run %s waits", run_id)


def is_alive(run: JudgeRun) -> bool:
    """Whether somebody works on it, or is about to."""
    waiting = run.status in (JudgeRunStatus.QUEUED, JudgeRunStatus.RUNNING)
    return waiting and run.seen_at is not None and run.seen_at > timezone.now() - SILENT


def execute(*, run_id: int, judge: Rates | None = None) -> int:
    """Rate what this judge has not rated yet, or failed at; how many items it wrote. A second delivery does nothing."""
    run = JudgeRun.objects.select_related("queue__site", "by").get(pk=run_id)
    try:
        run.move_to(JudgeRunStatus.RUNNING, by=run.by, seen_at=timezone.now(), error="")
    except (IllegalTransition, StaleStatus):
        return 0
    try:
        chosen = judges.instrument(run.name)
        if chosen.identity != run.judge:
            raise Refused(SENTENCES["changed"])
        written = _rate_all(run, chosen, judge or chosen.judge)
    except Refused as refused:
        return _end(run, JudgeRunStatus.FAILED, str(refused))
    except BaseException as error:
        _end(run, JudgeRunStatus.FAILED, f"{SENTENCES['nobody']} ({type(error).__name__})")
        raise
    reason = _why_all_failed(run)
    _end(run, JudgeRunStatus.FAILED if reason else JudgeRunStatus.SUCCEEDED, reason)
    return written


def readable(queue: AnnotationQueue, chosen: Instrument) -> QuerySet[QueueItem]:
    """The items this judge may read: a model's server never gets a real patient's, nor a credentialed record."""
    items = queue.items.filter(other=None, consultation__case__deleted_at=None)
    if chosen.reads_out:
        items = items.exclude(Q(consultation__case__kind=CaseKind.PATIENT) | Q(consultation__case__credentialed=True))
    return items.select_related("consultation__case").order_by("position", "pk")


def _rate_all(run: JudgeRun, chosen: Instrument, judge: Rates) -> int:
    items = readable(run.queue, chosen)
    total = items.count()
    left_out = run.queue.items.filter(other=None).count() - total
    todo = list(items.exclude(annotations__in=_whole(run)).values_list("pk", flat=True))
    _tell(run, total=total, left_out=left_out, done=total - len(todo))
    with asyncio.Runner() as loop:
        try:
            for start_at in range(0, len(todo), AT_ONCE):
                batch = list(items.filter(pk__in=todo[start_at : start_at + AT_ONCE]))
                _rate_batch(run, batch, judge, loop)
        finally:
            if isinstance(chosen.judge, RulesFirst):
                loop.run(judges.close(chosen.judge.model))
    return len(todo)


def _rate_batch(run: JudgeRun, batch: Sequence[QueueItem], judge: Rates, loop: asyncio.Runner) -> None:
    told = stored_episodes(item.consultation for item in batch)
    versions = {item.rubric_version_id for item in batch}
    rubrics: dict[Any, list[RubricCriterion]] = {}
    for criterion in RubricCriterion.objects.filter(version__in=versions, kept=True):
        rubrics.setdefault(criterion.version_id, []).append(criterion)
    for item in batch:
        criteria = rubrics.get(item.rubric_version_id, [])
        rate_item(run=run, item=item, episode=told[item.consultation_id], criteria=criteria, judge=judge, loop=loop)
        _tell(run, done=run.done + 1)


def rate_item(
    *,
    run: JudgeRun,
    item: QueueItem,
    episode: Episode,
    criteria: Sequence[RubricCriterion],
    judge: Rates,
    loop: asyncio.Runner,
) -> Annotation:
    """The judge's annotation of one item; verdicts it had before stand, errors are asked for again."""
    before = _of(run).filter(item=item).first()
    kept = {row.criterion.key: _rating(row) for row in _without_errors(before)}
    wanted = [one.as_criterion() for one in criteria if one.key not in kept]
    fresh = loop.run(rate_surely(judge, episode, wanted))
    ratings = [*kept.values(), *fresh]
    confidence = {**(before.judge.get("confidence", {}) if before else {}), **_confidence(fresh)}
    with transaction.atomic():
        return _write(run, item, criteria, ratings, {**run.judge, "confidence": confidence})


async def rate_surely(
    judge: Rates, episode: Episode, criteria: Sequence[Criterion], *, tries: int = TRIES, pause: float | None = None
) -> list[Rating]:
    """One rating per criterion; what failed is asked again, and then an error, which lowers coverage alone."""
    return list(await asyncio.gather(*(_surely(judge, episode, one, tries, pause) for one in criteria)))


async def _surely(judge: Rates, episode: Episode, criterion: Criterion, tries: int, pause: float | None) -> Rating:
    rating = Rating(criterion.id, Verdict.ERROR, reason="not asked")
    for attempt in range(tries):
        try:
            rating = await judge.rate(episode, criterion)
        except FAILURES as error:
            rating = Rating(criterion.id, Verdict.ERROR, reason=f"{type(error).__name__}: {error}"[:500])
        if rating.verdict is not Verdict.ERROR:
            return rating
        if attempt + 1 < tries:
            await asyncio.sleep((PAUSE if pause is None else pause) * 2**attempt)
    return rating


def _write(
    run: JudgeRun,
    item: QueueItem,
    criteria: Sequence[RubricCriterion],
    ratings: Sequence[Rating],
    identity: dict[str, Any],
) -> Annotation:
    QueueItem.objects.select_for_update(no_key=True).get(pk=item.pk)
    _of(run).filter(item=item).delete()
    found = score([one.as_criterion() for one in criteria], ratings)
    made = Annotation.objects.create(
        item=item,
        origin=AnnotationOrigin.JUDGE,
        status=AnnotationStatus.SUBMITTED,
        submitted_at=timezone.now(),
        rubric_version_id=item.rubric_version_id,
        judge=identity,
        score=found.value,
        coverage=found.coverage,
    )
    by_key = {one.key: one for one in criteria}
    Verdicted.objects.bulk_create(_row(made, by_key[rating.criterion], rating) for rating in ratings)
    return made


def _row(annotation: Annotation, criterion: RubricCriterion, rating: Rating) -> Verdicted:
    return Verdicted(
        annotation=annotation,
        criterion=criterion,
        verdict=str(rating.verdict),
        evidence=rating.evidence,
        evidence_turn=rating.turn,
        reason=rating.reason,
    )


def _rating(row: Verdicted) -> Rating:
    return Rating(row.criterion.key, Verdict(row.verdict), row.evidence, row.evidence_turn, row.reason)


def _confidence(ratings: Sequence[Rating]) -> dict[str, float]:
    """Of a judge that says how sure it is (agents.judge.SureRating)."""
    found = {rating.criterion: getattr(rating, "confidence", None) for rating in ratings}
    return {key: sure for key, sure in found.items() if sure is not None}


def _of(run: JudgeRun) -> QuerySet[Annotation]:
    """This judge's annotations in this queue."""
    mine = Annotation.objects.filter(item__queue=run.queue_id, origin=AnnotationOrigin.JUDGE)
    return mine.filter(judge__contains=run.judge)


def _whole(run: JudgeRun) -> QuerySet[Annotation]:
    """Those without an error."""
    return _of(run).exclude(ratings__verdict=Verdict.ERROR)


def _without_errors(annotation: Annotation | None) -> Sequence[Verdicted]:
    rows = annotation.ratings.exclude(verdict=Verdict.ERROR).select_related("criterion") if annotation else []
    return list(rows)


def _why_all_failed(run: JudgeRun) -> str:
    rows = Verdicted.objects.filter(annotation__in=_of(run))
    failed = rows.filter(verdict=Verdict.ERROR)
    _tell(run, errors=failed.count())
    if not run.errors or rows.exclude(verdict=Verdict.ERROR).exists():
        return ""
    reason = failed.values_list("reason", flat=True).first() or "no reason given"
    return SENTENCES["all_failed"].format(reason=reason[:200])


def _tell(run: JudgeRun, **changes: Any) -> None:
    JudgeRun.objects.filter(pk=run.pk).update(seen_at=timezone.now(), **changes)
    for field, value in changes.items():
        setattr(run, field, value)


def _end(run: JudgeRun, status: str, reason: str) -> int:
    with transaction.atomic():
        run.move_to(status, by=run.by, error=reason, finished_at=timezone.now())
        facts = {"queue": str(run.queue_id), "done": run.done, "errors": run.errors}
        audit.record(
            by=run.by, action=f"judge.{status}", noun="judge_run", target=run.pk, data=facts, site=run.queue.site
        )
    return 0
