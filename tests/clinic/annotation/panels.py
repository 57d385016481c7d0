"""A queue judged by a panel: one truth per criterion, everybody right with some skill; written in bulk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from django.utils import timezone

from agents.rubrics import Rating as Verdicted
from agents.rubrics import Verdict, score
from clinic.models import Annotation, AnnotationQueue, AnnotationStatus, QueueItem, Rating, Role, RubricVersion, User
from tests.clinic.annotation.factories import make_queue, make_rubric
from tests.clinic.factories import make_case, make_consultation, make_user

SHARE_MET = {"ecg": 0.5, "names": 0.6, "repeats": 0.4}
WORDS = {True: Verdict.MET, False: Verdict.NOT_MET}


def make_panel(
    *,
    items: int = 30,
    raters: int = 4,
    overlap: int = 3,
    skill: float = 0.92,
    flips: int | None = None,
    seed: int = 0,
    rubric: RubricVersion | None = None,
    people: Sequence[User] = (),
    **fields: Any,
) -> tuple[AnnotationQueue, list[User]]:
    """The queue and its raters; the one numbered `flips` says the opposite of what they think."""
    rng = np.random.default_rng(seed)
    rubric = rubric or make_rubric()
    queue = make_queue(rubric_version=rubric, overlap=overlap, **fields)
    who = list(people) or [make_user(Role.ANNOTATOR) for _ in range(raters)]
    criteria = list(rubric.criteria.all())
    case = make_case()
    rows: list[Rating] = []
    for number in range(items):
        item = QueueItem.objects.create(
            queue=queue,
            consultation=make_consultation(case=case),
            rubric_version=rubric,
            wanted=overlap,
            submitted=overlap,
            position=number,
        )
        truth = {one.key: bool(rng.random() < SHARE_MET.get(one.key, 0.5)) for one in criteria}
        for rater in rng.permutation(len(who))[:overlap]:
            right = rng.random(len(criteria)) < skill
            thought = {one.key: truth[one.key] == bool(ok) for one, ok in zip(criteria, right, strict=True)}
            said = {key: WORDS[met != (rater == flips)] for key, met in thought.items()}
            rows += _judged(item, who[int(rater)], rubric, said)
    Rating.objects.bulk_create(rows)
    return queue, who


def _judged(item: QueueItem, who: User, rubric: RubricVersion, said: dict[str, Verdict]) -> list[Rating]:
    criteria = list(rubric.criteria.all())
    found = score([one.as_criterion() for one in criteria], [Verdicted(key, verdict) for key, verdict in said.items()])
    made = Annotation.objects.create(
        item=item, annotator=who, rubric_version=rubric, status=AnnotationStatus.SUBMITTED,
        submitted_at=timezone.now(), score=found.value, coverage=found.coverage, seconds=120,
    )  # fmt: skip
    return [Rating(annotation=made, criterion=one, verdict=str(said[one.key])) for one in criteria]
