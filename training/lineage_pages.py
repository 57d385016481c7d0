"""What learned from a case, as a page shows it: feedback, snapshots, versions of its own and those that went on."""

from __future__ import annotations

from dataclasses import dataclass

from clinic.models import Case, ModelVersion, User
from training import lineage
from training.models import Run, Snapshot, SnapshotCase


@dataclass(frozen=True, slots=True)
class Learned:
    """A version, its run, and whether the run itself read the case."""

    version: ModelVersion
    run: Run | None
    direct: bool


@dataclass(frozen=True, slots=True)
class OfCase:
    """`case` None: it was purged, and only its key is left."""

    key: str
    case: Case | None
    feedback: int
    snapshots: list[Snapshot]
    versions: list[Learned]


def of_case(key: str, user: User) -> OfCase | None:
    """By key or id; None where this person may not know of it."""
    site = user.site
    if site is None:
        return None
    case = _case(key, user)
    kept = SnapshotCase.objects.filter(snapshot__site=site, key=case.key if case else key)
    # A key whose case is there and hidden from this person is not told of either.
    if case is None and (Case.objects.filter(site=site, key=key).exists() or not kept.exists()):
        return None
    key = case.key if case else key
    direct = lineage.direct_versions(site=site, key=key)
    versions = lineage.versions_with_key(site=site, key=key).select_related("run")
    return OfCase(
        key=key,
        case=case,
        feedback=sum(1 for one in case.consultations.all() for _ in one.feedback.all()) if case else 0,
        snapshots=list(Snapshot.objects.filter(pk__in=kept.values("snapshot"))),
        versions=[Learned(one, getattr(one, "run", None), one.pk in direct) for one in versions],
    )


def _case(name: str, user: User) -> Case | None:
    mine = Case.objects.visible_to(user).prefetch_related("consultations__feedback")
    return mine.filter(key=name).first()
