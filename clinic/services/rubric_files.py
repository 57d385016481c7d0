"""Rubrics into and out of files. What is imported is a draft: a physician publishes it, or nobody does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import transaction

from agents import rubric_formats
from agents.knowledge.conditions import vocabulary
from agents.records import Rejection, UnreadableFile
from agents.rubric_formats import CriterionRow, RubricRow, Unusable
from agents.rubric_formats.fhir_questionnaire import write_fhir
from clinic.models import (
    Case,
    Rubric,
    RubricCriterion,
    RubricFlow,
    RubricOrigin,
    RubricScope,
    RubricStatus,
    RubricVersion,
    Site,
    User,
)
from clinic.services import audit
from clinic.services.errors import Refused
from clinic.services.rubric_drafts import fill
from clinic.services.rubrics import TITLE

FILE_BYTES = 20_000_000
IN_FORCE = (RubricStatus.PUBLISHED, RubricStatus.RETIRED)


@dataclass(slots=True)
class ImportReport:
    """read = accepted + updated + unchanged + rejected; `unmapped` names fields that were left aside."""

    format: str
    read: int = 0
    accepted: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: list[dict[str, str]] = field(default_factory=list)
    unmapped: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@transaction.atomic
def import_file(*, format: str, path: Path, site: Site, by: User | None, name: str = "") -> ImportReport:
    """Every rubric of a file as a draft, or after a failure none of them; a second time changes nothing."""
    if by is not None and not (by.site_id == site.pk and (by.may_annotate or by.may_run_queues)):
        raise Refused("Only those who annotate or run queues at this site import rubrics.")
    if path.is_file() and path.stat().st_size > FILE_BYTES:
        raise Refused(f"The file is larger than {FILE_BYTES:,} bytes; split it first.")
    report = ImportReport(format)
    unmapped: set[str] = set()
    try:
        for parsed in rubric_formats.read(format, path):
            report.read += 1
            if isinstance(parsed, RubricRow):
                unmapped |= set(parsed.unmapped)
            _take(parsed, report, format=format, file=name or path.name, site=site, by=by)
    except UnreadableFile as error:
        raise Refused(str(error)) from error
    report.unmapped = sorted(unmapped)
    facts = {**report.as_dict(), "rejected": len(report.rejected), "file": name or path.name}
    audit.record(by=by, action="rubric.imported", noun="site", target=site.slug, data=facts, site=site)
    return report


def _take(parsed: RubricRow | Rejection, report: ImportReport, **where: Any) -> None:
    try:
        if isinstance(parsed, Rejection):
            raise Unusable(parsed.reason)
        with transaction.atomic():
            outcome = _import(parsed, **where)
        setattr(report, outcome, getattr(report, outcome) + 1)
    except (Unusable, Refused) as problem:
        report.rejected.append({"record": parsed.record, "reason": str(problem)})


def _import(row: RubricRow, *, format: str, file: str, site: Site, by: User | None) -> str:
    """accepted, updated or unchanged; raises Unusable or Refused."""
    source = {"format": format, "file": file, "record": row.record, "sha256": _digest(row), "notes": dict(row.notes)}
    known = RubricVersion.objects.filter(rubric__site=site, source__format=format, source__record=row.record)
    if known.filter(source__sha256=source["sha256"]).exclude(status=RubricStatus.DISCARDED).exists():
        return "unchanged"
    rubric = Rubric.objects.filter(versions__in=known).first() or _own(row, site)
    if rubric and any(_says(as_row(version)) == _says(row) for version in rubric.versions.all()):
        return "unchanged"
    if rubric and any(version.is_open for version in rubric.versions.all()):
        raise Unusable("a version of it is still being written here: publish or discard that first")
    outcome = "updated" if rubric else "accepted"
    rubric = rubric or Rubric.objects.create(
        site=site, title=row.title[:TITLE], created_by=by, **_about(row, site, format)
    )
    last = rubric.versions.order_by("-number").values_list("number", flat=True).first() or 0
    version = RubricVersion.objects.create(
        rubric=rubric,
        number=last + 1,
        guideline=row.guideline,
        origin=RubricOrigin.IMPORTED,
        source=source,
        created_by=by,
    )
    # A panel's authors share what was imported, as they share what was in force before.
    fill(version=version, rows=row.criteria, by=None if rubric.flow == RubricFlow.PANEL else by)
    return outcome


def _own(row: RubricRow, site: Site) -> Rubric | None:
    """The rubric of this site that the file was exported from."""
    try:
        return Rubric.objects.filter(pk=UUID(row.record), site=site).first()
    except ValueError:
        return None


def _says(row: RubricRow) -> list[Any]:
    """What somebody judges by; a rule is left out, which not every format can carry."""
    return [row.guideline, *({**one.as_dict(), "rule": None} for one in row.criteria)]


def _about(row: RubricRow, site: Site, format: str) -> dict[str, Any]:
    if row.case:
        keys = (row.case, f"{format}:{row.case}")  # as import_cases names them
        case = Case.objects.filter(site=site, key__in=keys, deleted_at=None).first()
        if case is None:
            raise Unusable(f"there is no case {row.case} at this site: import the cases first")
        return {"scope": RubricScope.CASE, "case": case}
    if row.complaint_group:
        if row.complaint_group not in vocabulary().groups:
            raise Unusable(f"the knowledge has no complaint {row.complaint_group}")
        return {"scope": RubricScope.COMPLAINT, "complaint_group": row.complaint_group}
    return {"scope": RubricScope.GENERAL}


def _digest(row: RubricRow) -> str:
    content = {"title": row.title, "guideline": row.guideline, "criteria": [one.as_dict() for one in row.criteria]}
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def export(*, versions: Iterable[RubricVersion], format: str, by: User | None, site: Site) -> str:
    """The text of a file with these versions; what the format cannot say is refused, never dropped."""
    found = list(versions)
    try:
        if format == "fhir" and len(found) == 1:
            written = (
                json.dumps(write_fhir(as_row(found[0]), status=found[0].status), ensure_ascii=False, indent=2) + "\n"
            )
        else:
            written = rubric_formats.write(format, [as_row(version) for version in found])
    except Unusable as problem:
        raise Refused(f"Not exported: {problem}.") from problem
    facts = {"format": format, "versions": [str(version.pk) for version in found]}
    audit.record(by=by, action="rubric.exported", noun="site", target=site.slug, data=facts, site=site)
    return written


def as_row(version: RubricVersion) -> RubricRow:
    """The version as files have it; criteria that the reviewer dropped are no part of it."""
    rubric = version.rubric
    return RubricRow(
        record=str(rubric.pk),
        title=rubric.title,
        criteria=tuple(_criterion(row) for row in version.criteria.all() if row.kept),
        case=rubric.case.key if rubric.case else "",
        complaint_group=rubric.complaint_group,
        guideline=version.guideline,
        version=version.number,
        notes=version.source.get("notes", {}),
    )


def _criterion(row: RubricCriterion) -> CriterionRow:
    return CriterionRow(
        text=row.text, points=row.points, key=row.key, axis=row.axis, evidence_required=row.evidence_required,
        never=row.never, per_turn=row.per_turn, guideline=row.guideline, examples=tuple(row.examples), rule=row.rule,
    )  # fmt: skip
