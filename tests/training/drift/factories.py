"""Consultations of a past week, written straight into the tables."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count
from typing import Any

from django.utils import timezone

from clinic.models import Consultation, Endpoint, Feedback, Turn, User
from tests.clinic import factories as make

_numbers = count(1)
RANKED = [{"diagnosis": "Pneumonia", "probability": 0.8, "group": "likely"}]


def consult(
    days_ago: float,
    *,
    endpoint: Endpoint,
    turns: int = 3,
    last: str = "diagnose",
    target: str = "Pneumonia",
    malformed: int = 0,
    feedback: tuple[str, ...] = (),
    until: datetime | None = None,
    probability: float = 0.8,
    **case: Any,
) -> Consultation:
    """`turns` actions of the agent, the last of them `last`; `feedback` are kinds of decisions."""
    case = {"complaint": "Cough", "key": f"drift:{next(_numbers)}", "answer": "Pneumonia", **case}
    held = make.make_consultation(case=make.make_case(**case), clinician=_clinician(case), endpoint=endpoint)
    at = (until or timezone.now()) - timedelta(days=days_ago)
    Consultation.objects.filter(pk=held.pk).update(created_at=at)
    ranked = [{**RANKED[0], "probability": probability}]
    actions = [{"action": "examine", "target": "Chest X-ray", "differential": ranked}] * (turns - 1)
    actions.append({"action": last, "target": target, "differential": ranked})
    rows = [
        Turn(consultation=held, number=n, role="agent", status="complete", text="…", action=action)
        for n, action in enumerate(actions, 1)
    ]
    rows += [
        Turn(consultation=held, number=turns + n, role="agent", status="failed", text="", error_code="malformed")
        for n in range(1, malformed + 1)
    ]
    Turn.objects.bulk_create(rows)
    Feedback.objects.bulk_create(
        Feedback(site=held.site, kind=kind, consultation=held, by=held.clinician, at=at) for kind in feedback
    )
    Feedback.objects.filter(consultation=held).update(at=at)
    return held


def _clinician(case: dict[str, Any]) -> User:
    site = case.get("site") or make.default_site()
    return User.objects.filter(site=site, role="clinician").first() or make.make_user(site=site)
