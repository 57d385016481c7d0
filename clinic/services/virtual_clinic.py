"""Virtual patients as ordinary cases, and the checks of the knowledge they are drawn from."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from celery import current_app
from django.db import transaction
from django.utils import timezone

from agents.knowledge.check import Check, Gate
from agents.knowledge.files import ROOT, digest
from agents.world.model import model
from agents.world.virtual import BANK, SPLIT_SIZE, UnknownCase, bank, case_id, open_case
from clinic.models import Case, CaseKind, KnowledgeCheck, Site, User
from clinic.models.case import SEALED
from clinic.services import audit
from clinic.services.cases import MAY_ENTER
from clinic.services.errors import SENTENCES, Refused
from clinic.services.records import fields_of

PATIENCE = timedelta(minutes=15)


def knowledge_version() -> str:
    """The hash of the knowledge files, without compiling them."""
    return digest(ROOT)


def refuse_sealed(case: str) -> None:
    """Raises Refused for the patients by whom a gate measures: whoever has seen one can no longer be measured by it."""
    if case.startswith(SEALED):
        raise Refused(SENTENCES["sealed"])


@transaction.atomic
def open_bank(*, site: Site, by: User | None) -> int:
    """The case bank of 500 as cases of this site; how many were added. Idempotent.

    Unused cases of an earlier version of the knowledge make room: their patients can no longer be drawn.
    """
    last = f"{SEALED}{BANK['sealed'] - 1:04d}@{knowledge_version()}"
    if Case.objects.filter(site=site, key=last).exists():  # made in one transaction: all are there
        return 0
    wanted = bank()
    there = set(Case.objects.filter(site=site, key__in=wanted).values_list("key", flat=True))
    missing = [_case(site, by, key) for key in wanted if key not in there]
    if not missing:
        return 0
    current = f"@{knowledge_version()}"
    outdated = Case.objects.filter(site=site, origin="virtual", consultations=None).exclude(key__endswith=current)
    dropped, _ = outdated.delete()
    Case.objects.bulk_create(missing)
    facts = {"added": len(missing), "dropped": dropped, "knowledge": knowledge_version()}
    audit.record(by=by, action="case_bank.opened", noun="site", target=site.slug, site=site, data=facts)
    return len(missing)


@transaction.atomic
def new_patient(*, group: str, by: User) -> Case:
    """A virtual patient nobody has seen, with this complaint."""
    if not (by.is_active and by.role in MAY_ENTER and by.site):
        raise Refused("Only clinicians and administrators call in new virtual patients.")
    if group not in model().known.groups:
        raise Refused("The virtual clinic does not know this complaint; choose one from the list.")
    # Numbers past the bank's belong to nobody; train is the split that may be practised on.
    number = BANK["train"] + secrets.randbelow(SPLIT_SIZE - BANK["train"])
    case = _case(by.site, by, case_id("train", number, group))
    case.save()
    audit.record(by=by, action="case.created", noun="case", target=case.pk, site=by.site, data={"key": case.key})
    return case


def _case(site: Site, by: User | None, key: str) -> Case:
    record = open_case(key).record()
    title = f"{round(record.age_years or 0)}-year-old {record.sex}, {record.complaint.lower()}"
    fields = fields_of(replace(record, extra={**record.extra, "title": title}))
    return Case(site=site, kind=CaseKind.VIRTUAL, created_by=by, **{**fields, "title": title})


def is_current(case: Case) -> bool:
    """Whether this virtual patient can still be drawn from the present knowledge."""
    try:
        open_case(case.key)
    except UnknownCase:
        return False
    return True


def check_knowledge(*, again: bool = False, tell: Callable[[Gate], None] = lambda gate: None) -> KnowledgeCheck:
    """Compute every gate of the present knowledge and keep the values; minutes of work, so kept by version."""
    check = Check()
    row, _ = KnowledgeCheck.objects.get_or_create(version=check.known.version)
    if row.finished_at and not again:
        return row
    gates = {}
    for gate in check.gates():
        gates[gate.name] = gate.as_dict()
        tell(gate)
    KnowledgeCheck.objects.filter(pk=row.pk).update(
        conditions=len(check.known.conditions),
        gates=gates,
        reliability=check.reliability(),
        finished_at=timezone.now(),
    )
    row.refresh_from_db()
    return row


def ask_for_check(*, by: User) -> None:
    """Let the worker compute the gates; it takes a minute or two."""
    if not by.may_consult:
        raise Refused("Only clinicians and administrators ask for the checks.")
    row, _ = KnowledgeCheck.objects.get_or_create(version=knowledge_version())
    KnowledgeCheck.objects.filter(pk=row.pk).update(started_at=timezone.now())
    transaction.on_commit(lambda: current_app.send_task("clinic.tasks.check_knowledge"))


def check_is_running() -> bool:
    """Asked for lately; a worker that died in the middle is asked again after a while."""
    since = timezone.now() - PATIENCE
    rows = KnowledgeCheck.objects.filter(version=knowledge_version(), finished_at=None, started_at__gte=since)
    return rows.exists()


def last_check() -> KnowledgeCheck | None:
    """The values for the present knowledge, or None while nobody has computed them."""
    return KnowledgeCheck.objects.filter(version=knowledge_version()).exclude(finished_at=None).first()
