"""The demo's part of annotation: one general rubric in force, and a queue once there is something to judge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from django.db import transaction

from clinic.models import AnnotationQueue, Consultation, ConsultationStatus, RubricScope, Site, User
from clinic.queue_query import End, QueueQuery, Stratum
from clinic.services import queue_building, rubric_criteria, rubrics

FILE = Path(__file__).parent.parent / "demo" / "rubric.yaml"
QUEUE = "Demo, closed consultations"
QUERY = QueueQuery(
    all_of=(End.DEFERRED.value, End.OVERRIDDEN.value),
    rest_percent=100,
    strata=(Stratum.COMPLAINT.value, Stratum.POLICY.value),
)


@transaction.atomic
def seed(*, site: Site, by: User) -> None:
    """Makes what is missing, as the demo's adjudicator; what somebody changed since stays changed."""
    if not by.may_adjudicate or by.site_id != site.pk:
        return  # the login was given another part meanwhile
    wanted: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    if not site.rubrics.filter(title=wanted["title"]).exists():
        version = rubrics.create(by=by, title=wanted["title"], scope=RubricScope.GENERAL)
        rubrics.set_guideline(version=version, by=by, guideline=wanted["guideline"])
        for fields in wanted["criteria"]:
            rubric_criteria.add(version=version, by=by, fields=fields)
        rubrics.publish(version=version, by=by, read=True)
    if not AnnotationQueue.objects.filter(site=site, title=QUEUE).exists() and _something_to_judge(by):
        queue_building.build(query=QUERY, seed=1, by=by, title=QUEUE)


def _something_to_judge(by: User) -> bool:
    closed = Consultation.objects.visible_to(by).filter(status=ConsultationStatus.CLOSED)
    return closed.exists() and bool(queue_building.plan(query=QUERY, seed=1, by=by).chosen)
