"""Freezes what a site may learn from; the same feedback makes the same snapshot, files and row."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fractions import Fraction
from typing import Any
from uuid import UUID

from django.db import transaction

from clinic.models import Site, User
from clinic.services import audit
from clinic.services.errors import Refused
from training.models import Snapshot, SnapshotCase, SnapshotFeedback, Split
from training.snapshots import files, manifest
from training.snapshots.gather import Gathered, gather

SENTENCES = {
    "only_admins": "Only an administrator of the site makes snapshots. Nothing was made.",
    "nothing": "Nothing is left to learn from, so no snapshot was made: {why}.",
    "no_feedback": "nobody has given any feedback yet",
    "all_validation": (
        "All that is left belongs to persons who are kept for validation, so no snapshot was made. "
        "Approve feedback on further cases."
    ),
    "unknown_case": "There is no case {name} in this snapshot. Nothing was made.",
    "name": "A name has at most 160 characters. Nothing was made.",
    "nothing_named": "Name at least one case to leave out. Nothing was made.",
}
LONGEST_NAME = 160


def make(*, site: Site, by: User | None, name: str = "", without: Sequence[str] = ()) -> Snapshot:
    """All of the site's feedback that may be learned from, but for the cases `without` (keys).

    `by` None is a command or a schedule. Raises Refused where nothing is left.
    """
    _allowed(site, by, name)
    return _frozen(site=site, by=by, name=name, without=sorted(set(without)))


def rebuild(*, snapshot: Snapshot, without: Sequence[str] = (), by: User | None) -> Snapshot:
    """What the snapshot held and may still be learned from, without these cases: nothing new comes in."""
    _allowed(snapshot.site, by, "")
    held = {case["key"] for case in snapshot.manifest["cases"]}
    for key in without:
        if key not in held:
            raise Refused(SENTENCES["unknown_case"].format(name=key))
    among = [UUID(row["id"]) for row in snapshot.manifest["feedback"]]
    left_out = sorted({*snapshot.without, *without})
    return _frozen(
        site=snapshot.site, by=by, name=_rebuilt_name(snapshot), without=left_out, among=among, rebuilt_from=snapshot
    )


def _frozen(
    *,
    site: Site,
    by: User | None,
    name: str,
    without: list[str],
    among: Collection[UUID] | None = None,
    rebuilt_from: Snapshot | None = None,
) -> Snapshot:
    found = gather(site, without=without, among=among)
    _require_something(found)
    written = manifest.contents(found)
    told = manifest.manifest(
        site=site, found=found, files=written, without=without, rebuilt_from=rebuilt_from.digest if rebuilt_from else ""
    )
    digest = manifest.digest(told)
    files.write(digest, {**written, "manifest.json": (files.canonical(told) + "\n").encode()})
    facts = {"name": name, "manifest": told, "folder": digest, "without": without, "by": by}
    return _kept(site=site, digest=digest, found=found, facts={**facts, "rebuilt_from": rebuilt_from})


@transaction.atomic
def _kept(*, site: Site, digest: str, found: Gathered, facts: dict[str, Any]) -> Snapshot:
    snapshot, made = Snapshot.objects.get_or_create(site=site, digest=digest, defaults=facts)
    if made:
        _keep_feedback(snapshot)
        _keep_cases(snapshot, found)
        told = facts["manifest"]
        counts = {name: one["rows"] for name, one in told["formats"].items()}
        data = {"digest": digest, "feedback": len(told["feedback"]), "rows": counts, "without": facts["without"]}
        audit.record(by=facts["by"], action="snapshot.made", noun="snapshot", target=snapshot.pk, site=site, data=data)
    return snapshot


def _keep_feedback(snapshot: Snapshot) -> None:
    SnapshotFeedback.objects.bulk_create(
        SnapshotFeedback(
            snapshot=snapshot,
            feedback_id=UUID(row["id"]),
            weight=float(Fraction(row["weight"])),
            split=row["split"],
        )
        for row in snapshot.manifest["feedback"]
    )


def _keep_cases(snapshot: Snapshot, found: Gathered) -> None:
    SnapshotCase.objects.bulk_create(
        SnapshotCase(
            snapshot=snapshot, case=found.cases[row["key"]], key=row["key"], person=row["person"], split=row["split"]
        )
        for row in snapshot.manifest["cases"]
    )


def _allowed(site: Site, by: User | None, name: str) -> None:
    if by is not None and not (by.is_site_admin and by.site_id == site.pk):
        raise Refused(SENTENCES["only_admins"])
    if len(name) > LONGEST_NAME:
        raise Refused(SENTENCES["name"])


def _require_something(found: Gathered) -> None:
    if not found.given:
        counts = [f"{len(ids)} {why}" for why, ids in sorted(found.excluded.items()) if ids]
        raise Refused(SENTENCES["nothing"].format(why="; ".join(counts) or SENTENCES["no_feedback"]))
    if all(found.split(row.case) == Split.VALIDATION for row in found.given):
        raise Refused(SENTENCES["all_validation"])


def _rebuilt_name(snapshot: Snapshot) -> str:
    return f"{snapshot}, rebuilt"[:LONGEST_NAME]
