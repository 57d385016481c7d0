"""The verdicts of a site's annotators, as the influence of each is computed from them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any
from uuid import UUID

from django.db.models import F

from agents.rubrics import Verdict
from clinic.influence import (
    CAP,
    Agreement,
    Row,
    Said,
    Without,
    agreements,
    outliers,
    units_of,
    weights,
    without_each,
)
from clinic.models import (
    AnnotationOrigin,
    AnnotationStatus,
    Feedback,
    FeedbackStatus,
    Preference,
    Rating,
    Site,
    User,
)

NEWEST = 20_000
"""Verdicts read at once; a page says so where there are more."""


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean score of each item's mean, with everybody and without one annotator."""

    everybody: float | None
    rest: float | None


@dataclass(slots=True)
class Influence:
    """Of one site: agreement of each person with the others, and what each one's verdicts change."""

    people: dict[int, User]
    criteria: dict[tuple[UUID, str], str]
    agreements: list[Agreement]
    flagged: list[Agreement]
    without: list[Without]
    uncapped: list[Without]
    means: dict[int, Mean]
    cut: bool = False
    counts: dict[int, int] = field(default_factory=dict)


def influence_at(site: Site) -> Influence:
    """From every submitted judgement of a person whose feedback was not withdrawn; three queries."""
    rated = list(_rated(site))
    preferred = list(_preferred(site))
    units = units_of(
        [((r["criterion_id"], r["turn"], r["item"]), r["annotator"], r["verdict"]) for r in rated]
        + [((r["dimension"], r["item"]), r["annotator"], r["choice"]) for r in preferred]
    )
    found = agreements(units)
    said = list(_said(rated))
    annotators = {row["annotator"] for row in [*rated, *preferred]}
    people = User.objects.in_bulk(annotators)
    return Influence(
        people=people,
        criteria={_criterion(r): r["criterion__text"] for r in rated},
        agreements=found,
        flagged=outliers(found),
        without=without_each(said),
        uncapped=without_each(said, cap=None),
        means=_means(rated),
        cut=len(rated) >= NEWEST or len(preferred) >= NEWEST,
        counts={one: len({r["annotation_id"] for r in rated if r["annotator"] == one}) for one in annotators},
    )


def snapshot_weights(rows: Iterable[tuple[UUID, int]], *, cap: Fraction = CAP) -> dict[UUID, Fraction]:
    """Feedback id -> weight, so that nobody's share of the snapshot is above the cap; from (id, annotator)."""
    given = weights((Row(feedback, annotator) for feedback, annotator in rows), cap=cap)
    return {feedback: weight for (_, feedback), weight in given.items()}  # type: ignore[misc]


def _counted(prefix: str = "annotation__") -> dict[str, Any]:
    return {f"{prefix}status": AnnotationStatus.SUBMITTED, f"{prefix}origin": AnnotationOrigin.PERSON}


def _rated(site: Site) -> Iterable[dict[str, Any]]:
    decided = Rating.objects.filter(
        annotation__item__queue__site=site, verdict__in=[Verdict.MET, Verdict.NOT_MET], **_counted()
    )
    return _standing(decided).values(
        "criterion_id",
        "criterion__key",
        "criterion__version__rubric_id",
        "criterion__text",
        "turn",
        "verdict",
        "annotation_id",
        "annotation__score",
        item=F("annotation__item_id"),
        annotator=F("annotation__annotator_id"),
    )[:NEWEST]


def _preferred(site: Site) -> Iterable[dict[str, Any]]:
    rows = Preference.objects.filter(annotation__item__queue__site=site, **_counted())
    return _standing(rows).values(
        "dimension", "choice", item=F("annotation__item_id"), annotator=F("annotation__annotator_id")
    )[:NEWEST]


def _standing(rows: Any) -> Any:
    gone = Feedback.objects.filter(annotation__isnull=False, status=FeedbackStatus.WITHDRAWN).values("annotation")
    return rows.exclude(annotation__in=gone).order_by("-pk")


def _criterion(row: dict[str, Any]) -> tuple[UUID, str]:
    """The same through all versions of its rubric."""
    return (row["criterion__version__rubric_id"], row["criterion__key"])


def _said(rated: Iterable[dict[str, Any]]) -> Iterable[Said]:
    for row in rated:
        unit = (row["item"], row["turn"])
        yield Said(_criterion(row), unit, row["annotator"], row["verdict"] == Verdict.MET)


def _means(rated: Iterable[dict[str, Any]]) -> dict[int, Mean]:
    scores: dict[Any, dict[int, float]] = defaultdict(dict)
    for row in rated:
        if row["annotation__score"] is not None:
            scores[row["item"]][row["annotator"]] = row["annotation__score"]
    people = {one for said in scores.values() for one in said}
    everybody = _mean([_mean(said.values()) for said in scores.values()])
    found = {}
    for one in people:
        rest = [_mean(v for who, v in said.items() if who != one) for said in scores.values()]
        found[one] = Mean(everybody, _mean(value for value in rest if value is not None))
    return found


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
