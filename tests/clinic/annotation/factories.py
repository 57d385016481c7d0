"""Rubrics, queues and annotations for tests; published and submitted straight away, without the services."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

from django.utils import timezone

from clinic.models import (
    Annotation,
    AnnotationOrigin,
    AnnotationQueue,
    AnnotationStatus,
    Consultation,
    QueueItem,
    Rating,
    Role,
    Rubric,
    RubricCriterion,
    RubricScope,
    RubricStatus,
    RubricVersion,
    Site,
    User,
)
from tests.clinic.factories import default_site, make_consultation, make_user

_numbers = count(1)
CRITERIA = (
    {"key": "ecg", "text": "Orders an electrocardiogram", "points": 8, "axis": "safety"},
    {"key": "names", "text": "Names the right diagnosis", "points": 10, "axis": "accuracy"},
    {"key": "repeats", "text": "Repeats an examination without a reason", "points": -4, "axis": "economy"},
)


def make_rubric(
    *criteria: Mapping[str, Any], site: Site | None = None, status: str = RubricStatus.PUBLISHED, **fields: Any
) -> RubricVersion:
    """A general rubric's only version, with CRITERIA unless others are given."""
    site = site or default_site()
    by = fields.pop("by", None) or make_user(Role.ADJUDICATOR, site=site)
    fields = {"title": f"Rubric {next(_numbers)}", "scope": RubricScope.GENERAL, "created_by": by, **fields}
    version = RubricVersion.objects.create(rubric=Rubric.objects.create(site=site, **fields), number=1, created_by=by)
    for position, row in enumerate(criteria or CRITERIA):
        RubricCriterion.objects.create(version=version, position=position, **row)
    if status in (RubricStatus.PUBLISHED, RubricStatus.RETIRED):
        version.published_by, version.published_at = by, timezone.now()
    version.status = status
    version.save()
    return version


def make_queue(*, site: Site | None = None, **fields: Any) -> AnnotationQueue:
    fields = {"title": f"Queue {next(_numbers)}", **fields}
    return AnnotationQueue.objects.create(site=site or default_site(), **fields)


def make_item(
    queue: AnnotationQueue | None = None, *, consultation: Consultation | None = None, **fields: Any
) -> QueueItem:
    """One consultation to judge; with `other` two to compare."""
    queue = queue or make_queue()
    consultation = consultation or make_consultation()
    if "other" not in fields and "rubric_version" not in fields:
        fields["rubric_version"] = queue.rubric_version or make_rubric(site=queue.site)
    return QueueItem.objects.create(
        queue=queue, consultation=consultation, **{"wanted": queue.overlap, "position": next(_numbers), **fields}
    )


def make_annotation(
    item: QueueItem, annotator: User | None = None, verdicts: Mapping[str, str] | None = None, **fields: Any
) -> Annotation:
    """Submitted, with a verdict for each criterion key named; a judge's where `origin` says so."""
    if fields.get("origin") != AnnotationOrigin.JUDGE:
        fields["annotator"] = annotator or make_user(Role.ANNOTATOR, site=item.queue.site)
    fields = {"status": AnnotationStatus.SUBMITTED, "submitted_at": timezone.now(), **fields}
    annotation = Annotation.objects.create(item=item, rubric_version=item.rubric_version, **fields)
    criteria = {criterion.key: criterion for criterion in RubricCriterion.objects.filter(version=item.rubric_version)}
    for key, verdict in (verdicts or {}).items():
        Rating.objects.create(annotation=annotation, criterion=criteria[key], verdict=verdict)
    if annotation.status == AnnotationStatus.SUBMITTED and annotation.origin == AnnotationOrigin.PERSON:
        item.submitted += 1
        item.save(update_fields=["submitted"])
    return annotation
