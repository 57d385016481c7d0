"""What the pages of gates show: rows, checks as drawings, the record, and what is still missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from clinic.models import User
from clinic.services.errors import Refused
from training import gates
from training.gates import charts, clearance, profiles, records, starting
from training.models import ChangeRecord, Gate, GateStatus, Signature, SignatureRole

TONES = {
    GateStatus.PASSED: "ok",
    GateStatus.FAILED: "danger",
    GateStatus.UNDECIDED: "caution",
    GateStatus.BROKE: "danger",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One gate of the list."""

    gate: Gate
    tone: str
    percent: float
    signatures: int
    has_record: bool


@dataclass(frozen=True, slots=True)
class Place:
    """One place for a signature: who signed, or whether this person may."""

    role: str
    title: str
    signature: Signature | None
    may: bool


def rows(found: Iterable[Gate]) -> list[Row]:
    return [_row(gate) for gate in found]


def _row(gate: Gate) -> Row:
    record = record_of(gate)
    signed = len(record.signatures.all()) if record else 0
    return Row(gate, TONES.get(GateStatus(gate.status), "accent"), _percent(gate), signed, record is not None)


def is_alive(gate: Gate) -> bool:
    return gate.status in starting.OPEN


def live(gate: Gate) -> dict[str, Any]:
    return {"gate": gate, "percent": _percent(gate), "alive": is_alive(gate)}


def whole(gate: Gate, user: User) -> dict[str, Any]:
    """Everything of one gate, for one reader."""
    record, checks = record_of(gate), list(gate.checks.all())
    open_record = record is None or not record.signatures.exists()
    may_write = gate.status == GateStatus.PASSED and user.may_run_queues and open_record
    return {
        **live(gate),
        "tone": TONES.get(GateStatus(gate.status), "accent"),
        "profile": profiles.load(gate.profile) if gate.profile in profiles.names() else None,
        "groups": charts.grouped(checks),
        "cells": charts.cells(checks),
        "record": record,
        "places": _places(record, user) if record else [],
        "texts": _texts(gate, record) if may_write else {},
        "may_write": may_write,
        "may_again": gate.status == GateStatus.BROKE and user.is_site_admin,
        "run": starting.run_of(gate.candidate),
        "history": gate.history().select_related("by"),
        "others": gate.candidate.gates.filter(site=gate.site).exclude(pk=gate.pk),
        "hindrance": _hindrance(gate),
    }


def record_of(gate: Gate) -> ChangeRecord | None:
    return getattr(gate, "record", None)


def _percent(gate: Gate) -> float:
    return min(100.0, 100 * gate.done / gate.total) if gate.total else 0.0


def _places(record: ChangeRecord, user: User) -> list[Place]:
    signed = {row.role: row for row in record.signatures.select_related("by")}
    return [
        Place(role.value, str(role.label), signed.get(role), records.may_sign(record, user, role))
        for role in SignatureRole
    ]


def _texts(gate: Gate, record: ChangeRecord | None) -> dict[str, str]:
    source = record or gates.draft(gate)
    return {name: getattr(source, name) for name in (*records.TEXTS, "note")}


def _hindrance(gate: Gate) -> str:
    """Why the candidate may not serve yet; '' where it may."""
    try:
        clearance.may_promote(gate.candidate)
    except Refused as refused:
        return str(refused)
    return ""
