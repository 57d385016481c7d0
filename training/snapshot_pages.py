"""What the pages of snapshots show, read from manifests and from what became of their feedback since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from django.db.models import Count, Q, QuerySet

from clinic.models import FeedbackStatus, RubricVersion, User
from training import snapshots
from training.models import Snapshot
from training.snapshots import current, files

MOST_CASES = 200
OTHERS = 100
TITLES = {
    "sft": "Turns to imitate (SFT)",
    "dpo": "Pairs, one better (DPO)",
    "kto": "Turns, right or wrong (KTO)",
    "grpo": "Cases with criteria (GRPO)",
}
GONE = ~Q(feedback_rows__feedback__status=FeedbackStatus.APPROVED) | Q(feedback_rows__feedback__consent=False)
HIDDEN = Q(feedback_rows__feedback__consultation__case__deleted_at__isnull=False)


@dataclass(frozen=True, slots=True)
class Row:
    """One snapshot of the list; `withdrawn` is how much of its feedback does not count any more."""

    snapshot: Snapshot
    feedback: int
    cases: int
    train: int
    formats: list[tuple[str, int]]
    withdrawn: int
    runs: int


def listed(rows: QuerySet[Snapshot]) -> QuerySet[Snapshot]:
    """With what `row` needs, in one query."""
    return rows.select_related("by", "rebuilt_from").annotate(
        kept=Count("feedback_rows", distinct=True),
        gone=Count("feedback_rows", filter=GONE | HIDDEN, distinct=True),
        run_count=Count("runs", distinct=True),
    )


def row(snapshot: Any) -> Row:
    told = snapshot.manifest
    feedback = len(told["feedback"])
    return Row(
        snapshot=snapshot,
        feedback=feedback,
        cases=len(told["cases"]),
        train=sum(case["split"] == "train" for case in told["cases"]),
        formats=[(name, one["rows"]) for name, one in formats_of(told)],
        withdrawn=snapshot.gone + feedback - snapshot.kept,
        runs=snapshot.run_count,
    )


def formats_of(told: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """In the order in which they are used, not that of the alphabet."""
    return [(name, told["formats"][name]) for name in TITLES if name in told["formats"]]


def whole(snapshot: Snapshot, user: User) -> dict[str, Any]:
    """The page of one."""
    told = snapshot.manifest
    reasons = current.stale(snapshot)
    others = Snapshot.objects.visible_to(user).exclude(pk=snapshot.pk).only("name", "digest", "created_at")
    return {
        "snapshot": snapshot,
        "told": told,
        "formats": [{"name": name, "title": TITLES[name], **one} for name, one in formats_of(told)],
        "stale": current.said(reasons),
        "files_here": files.are_there(snapshot),
        "cases": told["cases"][:MOST_CASES],
        "more_cases": max(len(told["cases"]) - MOST_CASES, 0),
        "excluded": [(why, len(ids), ids) for why, ids in told["excluded"].items()],
        "annotators": [_annotator(one) for one in told["annotators"]],
        "rubrics": list(_rubrics(told)),
        "runs": list(snapshot.runs.select_related("version").order_by("-created_at")[:20]),
        "rebuilds": list(snapshot.rebuilds.all()[:20]),
        "others": list(others[:OTHERS]),
    }


SETTINGS = {
    "layout": "Layout of the files",
    "site": "Site",
    "knowledge": "Knowledge",
    "cap": "Most weight of one person",
    "validation_share": "Kept for validation",
    "near": "Overlap of near-duplicates",
    "without": "Asked to be left out",
}


def settings_of(diff: snapshots.Diff) -> list[tuple[str, str, str]]:
    """(what, before, after) in words."""
    return [(SETTINGS[name], _said(before), _said(after)) for name, (before, after) in diff.settings.items()]


def _said(value: Any) -> str:
    return (", ".join(value) or "nothing") if isinstance(value, list) else str(value)


def _rubrics(told: Mapping[str, Any]) -> QuerySet[RubricVersion]:
    ids = [one["id"] for one in told["rubric_versions"]]
    return RubricVersion.objects.filter(pk__in=ids).select_related("rubric").order_by("rubric__title", "number")


def _annotator(one: Mapping[str, Any]) -> dict[str, Any]:
    share = Fraction(one["share"])
    return {**one, "weight": float(Fraction(one["weight"])), "share": float(share), "width": float(share) * 100}
