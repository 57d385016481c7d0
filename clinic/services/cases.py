"""Imports, enters, exports, deletes and purges cases."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from agents import records
from agents.records import Rejection
from agents.types import CaseRecord
from clinic.models import (
    AnnotationQueue,
    Case,
    CaseKind,
    ConsultationStatus,
    FeedbackUse,
    Patient,
    QueueItem,
    Role,
    Site,
    User,
)
from clinic.services import audit, versions
from clinic.services.case_export import document
from clinic.services.errors import SENTENCES, Refused
from clinic.services.records import Unfit, fields_of, shortened
from clinic.services.records import case_record as case_record

MAY_EXPORT = (Role.ADMIN, Role.RESEARCHER)
MAY_ENTER = (Role.CLINICIAN, Role.ADMIN)
IMPORT_BYTES = 512_000_000
FORGETS: list[Callable[[Case], None]] = []
"""Who keeps copies of cases outside of their rows; asked before one is purged, and may refuse."""


@dataclass(slots=True)
class ImportReport:
    """read = accepted + updated + unchanged + rejected; each rejection names its record and the reason."""

    format: str
    read: int = 0
    accepted: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: list[dict[str, str]] = field(default_factory=list)

    def reject(self, record: str, reason: str) -> None:
        self.rejected.append({"record": record, "reason": reason})

    def count(self, outcome: str) -> None:
        setattr(self, outcome, getattr(self, outcome) + 1)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def import_records(*, format: str, path: Path, site: Site, by: User | None) -> ImportReport:
    """All good records of one file, or after a failure none of them; a second time changes nothing."""
    if format not in records.FORMATS:
        raise Refused(f"{format} is not a known format; choose one of {', '.join(records.FORMATS)}.")
    if path.is_file():
        _check_readable(path)
    try:
        parsed = records.read(format, path)
        return import_parsed(
            format=format, parsed=parsed, licence=records.licence(format), source=path.name, site=site, by=by
        )
    except records.UnreadableFile as error:
        raise Refused(str(error)) from error


def _check_readable(path: Path) -> None:
    if path.stat().st_size > IMPORT_BYTES:
        raise Refused(f"{path.name} is larger than {IMPORT_BYTES:,} bytes; split it first.")
    with path.open("rb") as file:
        if b"\0" in file.read(8192):
            raise Refused(f"{path.name} is not a text file.")


@transaction.atomic
def import_parsed(
    *,
    format: str,
    parsed: Iterable[CaseRecord | Rejection],
    site: Site,
    by: User | None,
    licence: str = "",
    source: str = "",
) -> ImportReport:
    """What a parser found, written in one transaction and reported record by record."""
    report, seen = ImportReport(format=format), set[str]()
    for found in parsed:
        report.read += 1
        if isinstance(found, Rejection):
            report.reject(found.record, found.reason)
        elif not found.id.strip():
            report.reject(f"record {report.read}", "it has no id")
        elif found.id in seen:
            report.reject(found.id, "the same id occurs earlier in this file")
        else:
            seen.add(found.id)
            named = replace(found, id=key_of(found), extra={"licence": licence, **found.extra})
            _import_one(named, name=found.id, report=report, site=site, by=by)
    counts = {**report.as_dict(), "rejected": len(report.rejected), "source": source}
    audit.record(by=by, action="cases.imported", noun="site", target=site.slug, site=site, data=counts)
    return report


def _import_one(record: CaseRecord, *, name: str, report: ImportReport, site: Site, by: User | None) -> None:
    try:
        report.count(put(record=record, kind=CaseKind.RECORD, site=site, by=by))
    except (Unfit, Refused) as reason:
        report.reject(name, str(reason))


def key_of(record: CaseRecord) -> str:
    """The case's key at its site: the record's own id after its origin, so that two sources never collide."""
    return record.id if record.id.startswith(f"{record.origin}:") else f"{record.origin}:{record.id}"


@transaction.atomic
def put(*, record: CaseRecord, kind: str, site: Site, by: User | None) -> str:
    """Make or update the case with this key at this site: "accepted", "updated" or "unchanged"."""
    fields = fields_of(record)
    found = Case.objects.select_for_update(no_key=True).filter(site=site, key=record.id).first()
    if found is None:
        Case.objects.create(site=site, kind=kind, created_by=by, **fields)
        return "accepted"
    if found.deleted_at or found.kind != kind:
        raise Refused("this case was deleted here" if found.deleted_at else "another kind of case has this id")
    if found.content_hash == fields["content_hash"]:
        return "unchanged"
    data = {"key": found.key, "old": found.content_hash, "new": fields["content_hash"]}
    Case.objects.filter(pk=found.pk).update(**fields, updated_at=timezone.now())
    audit.record(by=by, action="case.updated", noun="case", target=found.pk, site=site, data=data)
    return "updated"


@transaction.atomic
def create(
    *,
    by: User,
    kind: str,
    complaint: str,
    title: str = "",
    age_years: float | None = None,
    sex: str = "unknown",
    history: dict[str, str] | None = None,
    identifier: str = "",
) -> Case:
    """A case that a clinician enters; `identifier` is a real patient's number at the site."""
    if not (by.is_active and by.role in MAY_ENTER and by.site):
        raise Refused("Only clinicians and administrators enter cases.")
    patient = _patient(identifier, by=by) if kind == CaseKind.PATIENT else None
    case = Case(
        site=by.site,
        kind=kind,
        patient=patient,
        key=f"entered:{uuid.uuid4()}",
        origin="entered",
        title=shortened(title or complaint, 200),
        age_years=age_years,
        sex=sex,
        complaint=complaint,
        history=history or {},
        created_by=by,
    )
    try:
        case.full_clean(validate_constraints=False)
    except ValidationError as error:
        raise Refused(" ".join(error.messages)) from error
    case.save(force_insert=True)
    audit.record(by=by, action="case.created", noun="case", target=case.pk, data={"kind": kind})
    return case


def _patient(identifier: str, *, by: User) -> Patient:
    site = by.site
    if site is None or not site.accepts_patient_cases:
        raise Refused("This site does not accept real patients' cases; an administrator can allow them.")
    if not versions.serving_agent()[0].may_see_patients:
        raise Refused(SENTENCES["untrained_patient"])
    if not identifier.strip():
        raise Refused("A real patient's case needs the patient's number at this site.")
    return Patient.objects.get_or_create(site=site, identifier=identifier.strip())[0]


def find(*, name: str, site: Site | None = None, include_deleted: bool = False) -> Case:
    """The case of that id or key, at `site` or wherever it is the only one."""
    try:
        query = Q(pk=uuid.UUID(name))
    except ValueError:
        query = Q(key=name)
    cases = Case.objects.filter(query) if include_deleted else Case.objects.filter(query, deleted_at=None)
    found = list((cases.filter(site=site) if site else cases).select_related("site")[:2])
    if not found:
        raise Refused(f"There is no case {name}.")
    if len(found) > 1:
        raise Refused(f"More than one site has a case {name}; name the site, or use the case's id.")
    return found[0]


def export(*, case: Case, by: User | None) -> dict[str, Any]:
    """Everything kept about the case as one JSON document; `by` None is a command on the server."""
    if by is not None and (by.role not in MAY_EXPORT or not _visible(case, by)):
        raise Refused("Only administrators export cases, and researchers those that are no real patient's.")
    entry = audit.record(by=by, action="case.exported", noun="case", target=case.pk, site=case.site)
    return document(case, exported_at=entry.at)


@transaction.atomic
def delete(*, case: Case, by: User | None, reason: str = "") -> None:
    """Hide it from everyone at once; `purge` removes the rows later."""
    _require_admin(case, by)
    if case.consultations.filter(status=ConsultationStatus.THINKING).exists():
        raise Refused("The agent is working on this case; stop it first.")
    if not Case.objects.filter(pk=case.pk, deleted_at=None).update(deleted_at=timezone.now()):
        raise Refused("This case is already deleted.")
    data = {"key": case.key, "reason": reason}
    audit.record(by=by, action="case.deleted", noun="case", target=case.pk, site=case.site, data=data)
    case.refresh_from_db()


@transaction.atomic
def undelete(*, case: Case, by: User | None) -> None:
    """Show a deleted case again, as long as it has not been purged."""
    _require_admin(case, by)
    if not Case.objects.filter(pk=case.pk, deleted_at__isnull=False).update(deleted_at=None):
        raise Refused("This case is not deleted.")
    audit.record(by=by, action="case.undeleted", noun="case", target=case.pk, site=case.site)
    case.refresh_from_db()


@transaction.atomic
def purge(*, case: Case, by: User | None) -> dict[str, int]:
    """Remove a deleted case and all that hangs on it, for good; how many rows of each kind. The audit log stays."""
    _require_admin(case, by)
    if case.deleted_at is None:
        raise Refused("Delete the case first; only deleted cases are purged.")
    target, site, patient = case.pk, case.site, case.patient
    for forget in FORGETS:
        forget(case)
    removed = {name.removeprefix("clinic."): rows for name, rows in _delete(case, patient) if rows}
    audit.record(by=by, action="case.purged", noun="case", target=target, site=site, data={"rows": removed})
    return removed


def _delete(case: Case, patient: Patient | None) -> Iterator[tuple[str, int]]:
    # What judged it first: ratings protect the criteria of the case's own rubric.
    AnnotationQueue.objects.filter(rubric_version__rubric__case=case).update(rubric_version=None)
    judged = Q(consultation__case=case) | Q(other__case=case) | Q(rubric_version__rubric__case=case)
    counted = Counter(QueueItem.objects.filter(judged).delete()[1])
    # Which versions learned from it stays known by its key, in the manifests of their snapshots.
    counted.update(FeedbackUse.objects.filter(feedback__consultation__case=case).delete()[1])
    counted.update(case.delete()[1])
    yield from counted.items()
    if patient and not patient.cases.exists():
        yield from patient.delete()[1].items()


def _visible(case: Case, by: User) -> bool:
    return Case.objects.visible_to(by).filter(pk=case.pk).exists()


def _require_admin(case: Case, by: User | None) -> None:
    if by is not None and not (by.is_site_admin and by.site_id == case.site_id):
        raise Refused("Only an administrator of its site deletes a case.")
