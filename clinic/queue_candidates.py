"""The consultations a query speaks of, read in one question, with what its strata and clauses need to know of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.utils import timezone

from agents.knowledge.conditions import knowledge
from clinic.answers import leader
from clinic.fact_texts import complaint_groups
from clinic.models import (
    Consultation,
    ConsultationStatus,
    Feedback,
    FeedbackKind,
    FeedbackStatus,
    Outcome,
    Turn,
    TurnRole,
    TurnStatus,
    User,
)
from clinic.models.case import SEALED
from clinic.naming import keyed
from clinic.opinions import disagreeing
from clinic.queue_query import End, QueueQuery, Stratum
from clinic.queue_sample import Candidate

MOST_READ = 5000
"""The newest so many are looked at: a site's year, and a preview within a second or two."""
MOST_OPINIONS = 200
"""A second opinion reads a whole consultation."""
OVERRODE = (FeedbackKind.REPLACED, FeedbackKind.REJECTED, FeedbackKind.DIFFERENTIAL)
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    candidates: list[Candidate]
    left_out: int = 0
    """Older than the newest MOST_READ, and not looked at."""
    without_opinion: int = 0
    """Disagreement was asked for, and of these nothing is known: older than the newest MOST_OPINIONS."""


def find(query: QueueQuery, by: User) -> Found:
    """What this person may see and the query speaks of, newest first."""
    spoken = _consultations(query, by)
    rows: list[Row] = list(_told(spoken, query)[: MOST_READ + 1])
    left_out = spoken.count() - MOST_READ if len(rows) > MOST_READ else 0
    rows = rows[:MOST_READ]
    asked = [row["pk"] for row in rows[:MOST_OPINIONS]] if End.DISAGREED in query.needs else []
    disagreed = disagreeing(asked) if asked else frozenset()
    candidates = [_candidate(row, query, disagreed) for row in rows]
    if query.ends:
        candidates = [one for one in candidates if one.ends & set(query.ends)]
    return Found(candidates, left_out, max(0, len(rows) - MOST_OPINIONS) if asked else 0)


def _consultations(query: QueueQuery, by: User) -> QuerySet[Consultation]:
    """Where the agent never spoke there is nothing to judge; sealed cases are the gate's alone."""
    rows = Consultation.objects.visible_to(by).exclude(case__key__startswith=SEALED)
    wanted: dict[str, Any] = {
        "status__in": query.statuses,
        "case__kind__in": query.kinds,
        "model_version__in": (query.first, query.second) if query.compares else query.versions,
        "created_at__gte": query.since and _midnight(query.since),
        "created_at__lt": query.until and _midnight(query.until + timedelta(days=1)),
    }
    rows = rows.filter(**{name: value for name, value in wanted.items() if value})
    return rows.filter(Exists(_answers())).order_by("-created_at", "pk")


def _told(rows: QuerySet[Consultation], query: QueueQuery) -> QuerySet[Consultation, dict[str, Any]]:
    """What no clause and no stratum asks for is not looked up."""
    names = ["pk", "case_id", "status", "diagnosis", "model_version_id", "model_version__name"]
    names += ["clinician__first_name", "clinician__last_name", "clinician__username"]
    if Stratum.COMPLAINT in query.strata:
        names += ["case__complaint", "case__extra", "case__history"]
    given = Feedback.objects.filter(consultation=OuterRef("pk"), kind__in=OVERRODE)
    lookups: dict[str, Any] = {}
    if query.needs & {End.DEFERRED, End.OVERRIDDEN}:
        lookups["last_action"] = Subquery(_answers().order_by("-number").values("action")[:1])
    if End.OVERRIDDEN in query.needs:
        lookups["overrode"] = Exists(given.exclude(status=FeedbackStatus.WITHDRAWN))
    if End.OUTCOME in query.needs:
        lookups["known"] = Exists(Outcome.objects.filter(consultation=OuterRef("pk")))
    return rows.annotate(**lookups).values(*names, *lookups)


def _answers() -> QuerySet[Turn]:
    return Turn.objects.filter(
        consultation=OuterRef("pk"), role=TurnRole.AGENT, status=TurnStatus.COMPLETE, retracted_at=None
    )


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def _candidate(row: Row, query: QueueQuery, disagreed: frozenset[Any]) -> Candidate:
    ends = {
        End.DEFERRED: End.DEFERRED in query.needs and _deferred(row),
        End.OVERRIDDEN: End.OVERRIDDEN in query.needs and _overridden(row),
        End.OUTCOME: bool(row.get("known")),
        End.DISAGREED: row["pk"] in disagreed,
    }
    name = f"{row['clinician__first_name']} {row['clinician__last_name']}".strip() or row["clinician__username"]
    return Candidate(
        id=row["pk"],
        case=row["case_id"],
        version=row["model_version_id"],
        policy=row["model_version__name"],
        clinician=name,
        group=_group(row) if Stratum.COMPLAINT in query.strata else "",
        ends=frozenset(str(end) for end, holds in ends.items() if holds),
    )


def _deferred(row: Row) -> bool:
    action = row["last_action"] or {}
    return row["status"] == ConsultationStatus.DEFERRED or action.get("action") == "defer"


def _overridden(row: Row) -> bool:
    """A recommendation was replaced or turned down, or it was closed with another diagnosis than the agent's."""
    said = leader(row["last_action"] or {})
    other = bool(said and row["diagnosis"]) and keyed(said)[0] != keyed(row["diagnosis"])[0]
    return bool(row["overrode"]) or other


def _group(row: Row) -> str:
    """The name of the leading complaint group; what a case says of itself is taken without reading its words."""
    groups = knowledge().groups
    told = str((row["case__extra"] or {}).get("group") or "")
    story = str((row["case__history"] or {}).get("hpi") or "")
    found: Sequence[str] = (told,) if told in groups else complaint_groups(row["case__complaint"], told, story)
    return groups[found[0]].name if found else ""
