"""GRPO rows: cases to play, with the criteria that physicians judged there, their points and the physicians' share."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any
from uuid import UUID

from agents.rubrics import Verdict
from clinic.influence import Said, majorities
from clinic.models import AnnotationStatus, Feedback, RubricCriterion
from clinic.training_rows.spoken import Speech, Unusable


def grpo(
    judged: Iterable[Feedback], speech: Speech, weight: Mapping[UUID, Fraction], *, cap: Fraction
) -> tuple[list[dict[str, Any]], Counter[str]]:
    """(rows, why feedback was left out): one row for each case and version of a rubric."""
    groups: dict[tuple[UUID, UUID], list[Feedback]] = defaultdict(list)
    failed: Counter[str] = Counter()
    for row in judged:
        if row.annotation.status != AnnotationStatus.SUBMITTED:
            failed["sent back to be judged again"] += 1
        elif row.consultation and row.annotation.rubric_version_id:
            groups[row.consultation.case_id, row.annotation.rubric_version_id].append(row)
    criteria = _criteria({version for _, version in groups})
    found = []
    for (_, version), members in groups.items():
        try:
            found.append(_row(members, criteria[version], speech, weight, cap))
        except Unusable as error:
            failed[str(error)] += len(members)
    return found, failed


def _row(
    members: list[Feedback],
    criteria: list[RubricCriterion],
    speech: Speech,
    weight: Mapping[UUID, Fraction],
    cap: Fraction,
) -> dict[str, Any]:
    held, version = members[0].consultation, members[0].annotation.rubric_version
    assert held is not None
    assert version is not None
    total = sum((weight[row.pk] for row in members), Fraction(0))
    return {
        "case": held.case.key,
        "prompt": speech.opening(held),
        "rubric": version.rubric.title,
        "rubric_version": str(version.pk),
        "rubric_number": version.number,
        "criteria": _told(members, criteria, cap),
        "feedback": [str(row.pk) for row in members],
        "consultations": sorted({str(row.consultation_id) for row in members}),
        "policies": sorted({row.consultation.model_version.version for row in members}),  # type: ignore[union-attr]
        "weight": float(total),
        "weight_exact": str(total),
    }


def _told(members: list[Feedback], criteria: list[RubricCriterion], cap: Fraction) -> list[dict[str, Any]]:
    said = [
        Said(rating.criterion_id, (row.pk, rating.turn), row.by_id, rating.verdict == Verdict.MET)
        for row in members
        for rating in row.annotation.ratings.all()
        if rating.verdict in (Verdict.MET, Verdict.NOT_MET)
    ]
    counted, shares = Counter(row.criterion for row in said), majorities(said, cap=cap)
    return [
        {
            "id": one.key,
            "text": one.text,
            "points": one.points,
            "axis": one.axis,
            "evidence_required": one.evidence_required,
            "never": one.never,
            "rule": one.rule,
            "verdicts": counted[one.pk],
            "met_share": float(shares[one.pk].share or 0) if one.pk in shares else None,
        }
        for one in criteria
    ]


def _criteria(versions: set[UUID]) -> dict[UUID, list[RubricCriterion]]:
    found: dict[UUID, list[RubricCriterion]] = {version: [] for version in versions}
    for one in RubricCriterion.objects.filter(version__in=versions, kept=True).order_by("position", "id"):
        found[one.version_id].append(one)
    return found
