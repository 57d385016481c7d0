"""Lineage both ways: which versions learned from a case, and which feedback is in a version."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from clinic.models import Case, Feedback, FeedbackUse, ModelVersion, Site
from training.models import Run, SnapshotCase, TrainerName

FORMAT_OF: dict[str, str] = {
    TrainerName.SFT: "sft",
    TrainerName.REWARD: "dpo",
    TrainerName.DPO: "dpo",
    TrainerName.KTO: "kto",
    TrainerName.GRPO: "grpo",
}
"""What a trainer reads of a snapshot; a world model reads none."""


def versions_with_case(case: Case) -> QuerySet[ModelVersion]:
    """Those that were trained on feedback about the case, and those that went on from one of them."""
    return versions_with_key(site=case.site, key=case.key)


def versions_with_key(*, site: Site, key: str) -> QuerySet[ModelVersion]:
    """The same by the case's key, which snapshots keep after the case was purged."""
    return ModelVersion.objects.filter(pk__in=with_descendants(direct_versions(site=site, key=key)))


def direct_versions(*, site: Site, key: str) -> set[int]:
    """Primary keys of versions whose own run read a row about the case."""
    about = FeedbackUse.objects.filter(feedback__site=site, feedback__consultation__case__key=key)
    used = set(about.values_list("model_version", flat=True))
    held = SnapshotCase.objects.filter(snapshot__site=site, key=key).values("snapshot")
    runs = Run.objects.filter(snapshot__in=held, version__isnull=False).select_related("snapshot")
    return used | {run.version_id for run in runs if run.version_id and _read(run, key)}


def with_descendants(versions: Collection[int]) -> set[int]:
    """These and all that a run made from one of them: weights go on, and what they learned with them."""
    found, fresh = set(versions), set(versions)
    while fresh:
        made = Run.objects.filter(start__in=fresh, version__isnull=False).values_list("version", flat=True)
        fresh = {one for one in made if one is not None} - found
        found |= fresh
    return found


def feedback_of(version: ModelVersion) -> QuerySet[Feedback]:
    """What its own run learned from; a version that it went on from has its own."""
    return Feedback.objects.filter(uses__model_version=version)


@transaction.atomic
def record_use(*, run: Run, version: ModelVersion) -> int:
    """Write down what the run read; how many rows of feedback are its own. A second time changes nothing.

    Both splits: what a checkpoint was chosen by had its part in the version too.
    """
    if run.snapshot is None or run.trainer not in FORMAT_OF:
        return 0
    told = run.snapshot.manifest["formats"].get(FORMAT_OF[run.trainer], {})
    read = {UUID(one) for one in told.get("feedback", ())}
    rows = run.snapshot.feedback_rows.filter(feedback__in=read)
    uses = [FeedbackUse(feedback_id=row.feedback_id, model_version=version, weight=row.weight) for row in rows]
    FeedbackUse.objects.bulk_create(uses, ignore_conflicts=True)
    return FeedbackUse.objects.filter(model_version=version).count()


def _read(run: Run, key: str) -> bool:
    assert run.snapshot is not None  # asked for by its snapshot
    format = FORMAT_OF.get(run.trainer)
    return any(case["key"] == key and format in case["formats"] for case in run.snapshot.manifest["cases"])
