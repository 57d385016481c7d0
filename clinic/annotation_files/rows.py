"""One submitted annotation as one JSON object: the judgement, whose it is, and what it is about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db.models import BooleanField, ExpressionWrapper, Prefetch, Value

from clinic.blindness import readable_by
from clinic.models import Annotation, AnnotationStatus, CaseKind, FeedbackStatus, Preference, Rating, Site, User

MARK = "rounds.annotation/1"
PLAIN = (
    "origin", "seconds", "first_wrong_turn", "correction_kind", "correction", "harm", "critique", "reason", "swapped",
    "authoritative", "judge", "score", "coverage",
)  # fmt: skip
"""Columns that are written as they stand."""
BLIND = "of a blind queue, and not all judgements are in"
RATED = ("turn", "verdict", "evidence", "evidence_turn", "reason")


@dataclass(slots=True)
class Left:
    """What was read and what was left out, and why."""

    read: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


def annotations_of(site: Site, left: Left, reader: User | None = None) -> Iterator[Annotation]:
    """Submitted ones, oldest first; never a real patient's, under a data use agreement, or withdrawn.

    `reader`: who gets them, and may have some of them still to judge themselves; None is the server.
    """
    related = ("annotator", "feedback", "rubric_version__rubric", "item__queue", "item__consultation__case")
    ratings = Prefetch("ratings", Rating.objects.select_related("criterion"))
    preferences = Prefetch("preferences", Preference.objects.order_by("dimension"))
    rows = Annotation.objects.filter(item__queue__site=site).select_related(*related)
    rows = rows.prefetch_related(ratings, preferences).order_by("started_at", "pk")
    readable = ExpressionWrapper(readable_by(reader), BooleanField()) if reader else Value(True)
    for row in rows.annotate(readable=readable).iterator(chunk_size=500):
        left.read += 1
        if why := why_not(row) or ("" if row.readable else BLIND):
            left.left_out[why] += 1
        else:
            yield row


def why_not(row: Annotation) -> str:
    """Why nobody gets this one in a file, or ''; its feedback and its item's case are read."""
    case = row.item.consultation.case
    if row.status != AnnotationStatus.SUBMITTED:
        return "not submitted"
    if row.feedback and row.feedback.status == FeedbackStatus.WITHDRAWN:
        return "withdrawn by who gave it"
    if case.kind == CaseKind.PATIENT:
        return "a real patient's case"
    return "a record under a data use agreement" if case.credentialed else ""


def as_row(row: Annotation) -> dict[str, Any]:
    """The object of one line; the same annotation always gives the same object."""
    item, queue, version = row.item, row.item.queue, row.rubric_version
    return {
        "format": MARK,
        "id": str(row.pk),
        "queue": {
            "id": str(queue.pk),
            "title": queue.title,
            "kind": queue.kind,
            "overlap": queue.overlap,
            "blind": queue.blind,
        },
        "item": {
            "id": str(item.pk),
            "wanted": item.wanted,
            "position": item.position,
            "stratum": item.stratum,
            "gold": item.gold,
        },
        "consultation": str(item.consultation_id),
        "other": str(item.other_id) if item.other_id else None,
        "case": item.consultation.case.key,
        "rubric_version": str(version.pk) if version else None,
        "rubric": f"{version.rubric.title}, version {version.number}" if version else None,
        "annotator": row.annotator.username if row.annotator else None,
        "submitted_at": row.submitted_at.isoformat() if row.submitted_at else None,
        **{name: getattr(row, name) for name in PLAIN},
        "consent": bool(row.feedback and row.feedback.consent),
        "feedback": str(row.feedback_id) if row.feedback_id else None,
        "ratings": [
            {"criterion": one.criterion.key, **{name: getattr(one, name) for name in RATED}} for one in _ordered(row)
        ],
        "preferences": [
            {"dimension": one.dimension, "choice": one.choice, "why": one.why} for one in row.preferences.all()
        ],
    }


def _ordered(row: Annotation) -> list[Rating]:
    return sorted(row.ratings.all(), key=lambda one: (one.criterion.position, one.criterion.key, one.turn or 0))
