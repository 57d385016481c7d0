"""Ratings of the demo loop: three scripted physicians judge by a rubric, and an adjudicator approves."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

from agents.judge import RuleJudge
from agents.rubrics import Criterion, Rating, Verdict
from agents.types import Episode
from clinic.models import (
    Annotation,
    AnnotationQueue,
    Consultation,
    Feedback,
    FeedbackStatus,
    RubricScope,
    RubricVersion,
    User,
)
from clinic.queue_query import QueueQuery
from clinic.services import annotations as sheets
from clinic.services import approval, queue_building, queues, rubric_criteria, rubrics
from training import judging
from training.demo.people import People
from training.demo.waiting import wait_for
from training.models import JudgeRunStatus
from training.stored_episodes import stored_episodes

DONE, BROKE = JudgeRunStatus.SUCCEEDED, JudgeRunStatus.FAILED
TITLE = "Demo loop, a work-up in good time"
SLIPS = 0.05
"""How often a scripted physician sees a criterion the other way: nobody agrees with everybody."""
# To look weighs more than to be quick: otherwise the best a toy can do is to name something at once.
CRITERIA: tuple[dict[str, Any], ...] = (
    {
        "text": "Looks at the blood count or the vital signs",
        "points": 8,
        "axis": "completeness",
        "rule": {"examined": ["Complete blood count", "Vital signs"]},
    },
    {"text": "Commits to a diagnosis", "points": 5, "axis": "accuracy", "rule": {"deferred": False}},
    {"text": "Ends within six actions", "points": 2, "axis": "economy", "rule": {"turns_at_most": 6}},
)


def rubric(people: People) -> RubricVersion:
    """The loop's own rubric in force: each criterion has a rule, so that a judge can be measured against people."""
    found = RubricVersion.objects.filter(rubric__site=people.site, rubric__title=TITLE, status="published").first()
    if found is not None:
        return found
    version = rubrics.create(by=people.adjudicator, title=TITLE, scope=RubricScope.GENERAL)
    rubrics.set_guideline(version=version, by=people.adjudicator, guideline="Scripted, for the demo loop alone.")
    for fields in CRITERIA:
        rubric_criteria.add(version=version, by=people.adjudicator, fields=fields)
    rubrics.publish(version=version, by=people.adjudicator, read=True)
    version.refresh_from_db()
    return version


def rate_all(people: People, held: Sequence[Consultation], *, seed: int, title: str) -> dict[str, Any]:
    """A queue over what was closed, each item judged by two of three people, then by the rules; all approved."""
    version = rubric(people)
    queue = queue_building.build(
        query=QueueQuery(), seed=seed, by=people.adjudicator, title=title, overlap=2, rubric=version
    )
    done = sum(_judge_all(person, queue, seed) for person in people.physicians)
    judge = wait_for(judging.start(queue=queue, name="rules", by=people.adjudicator), over=(DONE, BROKE))
    rows = Feedback.objects.filter(site=people.site, status=FeedbackStatus.PROPOSED).exclude(by=people.adjudicator)
    approved = approval.approve(ids=list(rows.values_list("pk", flat=True)[: approval.MOST]), by=people.adjudicator)
    return {
        "queue": str(queue.pk),
        "judged": len(held),
        "ratings": done,
        "judge": str(judge.status),
        "approved": approved.done,
    }


def _judge_all(person: User, queue: AnnotationQueue, seed: int) -> int:
    """Everything this person may take from the queue; how many."""
    done = 0
    while (taken := queues.take_next(by=person, queue=queue)) is not None:
        sheets.submit(annotation=taken, by=person, sheet=_sheet(taken, seed))
        done += 1
    return done


def _sheet(taken: Annotation, seed: int) -> dict[str, Any]:
    """What this scripted person thinks of each criterion: what its rule says, but for a slip now and then."""
    dice = random.Random(f"{seed}:{taken.annotator_id}:{taken.item_id}")
    assert taken.rubric_version is not None
    held = taken.item.consultation
    episode = stored_episodes([held])[held.pk]
    criteria = [row.as_criterion() for row in taken.rubric_version.criteria.filter(kept=True)]
    said = [_verdict(episode, criterion, dice) for criterion in criteria]
    return {
        "ratings": [{"criterion": one.criterion, "verdict": str(one.verdict), "reason": "Scripted."} for one in said],
        "critique": "Scripted by the demo loop.",
        "seconds": dice.randrange(40, 200),
    }


def _verdict(episode: Episode, criterion: Criterion, dice: random.Random) -> Rating:
    rated = asyncio.run(RuleJudge().rate(episode, criterion))
    if dice.random() >= SLIPS:
        return rated
    other = Verdict.NOT_MET if rated.verdict is Verdict.MET else Verdict.MET
    return Rating(criterion.id, other, reason=rated.reason)
