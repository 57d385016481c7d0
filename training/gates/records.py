"""The change record of a passed gate, drafted from rows, and the two signatures under it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.db import transaction

from clinic.models import User
from clinic.services import audit
from clinic.services.errors import Refused
from training.gates.drafting import Draft, draft
from training.gates.sentences import SENTENCES
from training.gates.starting import run_of
from training.models import ChangeRecord, Gate, GateStatus, Signature, SignatureRole

__all__ = ["Draft", "digest_of", "draft", "sign", "write_record"]

TEXTS = ("modification", "protocol", "impact")
MAY_SIGN = {SignatureRole.PHYSICIAN: "physician_signs", SignatureRole.ADMIN: "admin_signs"}


@transaction.atomic
def write_record(
    *, gate: Gate, by: User, modification: str, protocol: str, impact: str, note: str = ""
) -> ChangeRecord:
    """The record, written anew until somebody signs it; raises Refused."""
    if not by.may_run_queues or by.site_id != gate.site_id:
        raise Refused(SENTENCES["who_writes"])
    if gate.status != GateStatus.PASSED:
        raise Refused(SENTENCES["not_passed"])
    texts = {"modification": modification, "protocol": protocol, "impact": impact, "note": note}
    texts = {name: text.replace("\x00", "").strip() for name, text in texts.items()}
    if not all(texts[name] for name in TEXTS):
        raise Refused(SENTENCES["needs_texts"])
    record = ChangeRecord.objects.select_for_update(no_key=True).filter(gate=gate).first()
    if record and record.signatures.exists():
        raise Refused(SENTENCES["signed_already"])
    wanted = {**texts, "by": by, "digest": digest_of(gate, texts)}
    if record:
        ChangeRecord.objects.filter(pk=record.pk).update(**wanted)
        record.refresh_from_db()
    else:
        record = ChangeRecord.objects.create(gate=gate, **wanted)
    audit.record(
        by=by, action="gate.record_written", noun="gate", target=gate.pk, data={"digest": record.digest}, site=gate.site
    )
    return record


@transaction.atomic
def sign(*, record: ChangeRecord, by: User, role: str, read: str | None = None) -> Signature:
    """One signature; `read` is the digest of what the person had on the screen. Raises Refused."""
    record = (
        ChangeRecord.objects.select_for_update(no_key=True, of=("self",))
        .select_related("gate__candidate")
        .get(pk=record.pk)
    )
    _may_sign(record, by, role)
    if read is not None and read != record.digest:
        raise Refused(SENTENCES["read_another"])
    texts = {name: getattr(record, name) for name in (*TEXTS, "note")}
    if digest_of(record.gate, texts) != record.digest:
        raise Refused(SENTENCES["changed_since"])
    signature = Signature.objects.create(record=record, role=role, by=by, digest=record.digest)
    facts = {"role": role, "digest": record.digest, "candidate": record.gate.candidate.version}
    audit.record(by=by, action="gate.signed", noun="gate", target=record.gate_id, data=facts, site=record.gate.site)
    return signature


def may_sign(record: ChangeRecord, by: User, role: str) -> bool:
    """Whether the page offers it."""
    try:
        _may_sign(record, by, role)
    except Refused:
        return False
    return True


def _may_sign(record: ChangeRecord, by: User, role: str) -> None:
    if role not in MAY_SIGN:
        raise Refused(SENTENCES["no_role"])
    right = by.may_adjudicate if role == SignatureRole.PHYSICIAN else by.is_site_admin
    if not right or by.site_id != record.gate.site_id:
        raise Refused(SENTENCES[MAY_SIGN[SignatureRole(role)]])
    run = run_of(record.gate.candidate)
    if run is not None and run.by_id == by.pk:
        raise Refused(SENTENCES["starter"])
    given = list(record.signatures.all())
    if any(row.by_id == by.pk for row in given):
        raise Refused(SENTENCES["two_people"])
    if any(row.role == role for row in given):
        raise Refused(SENTENCES["once_each"])


def digest_of(gate: Gate, texts: dict[str, str]) -> str:
    """sha256 of what is signed: the texts, both versions, the profile and every check."""
    candidate = gate.candidate
    content: dict[str, Any] = {
        "texts": {name: texts[name] for name in (*TEXTS, "note")},
        "candidate": [candidate.version, candidate.base, candidate.adapter],
        "baseline": gate.baseline.version,
        "profile": [gate.profile, gate.profile_digest, gate.primary],
        "n": gate.n,
        "checks": [
            [c.name, c.kind, c.outcome, c.candidate, c.baseline, c.difference, c.low, c.high, c.margin, c.n]
            for c in gate.checks.all()
        ],
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
