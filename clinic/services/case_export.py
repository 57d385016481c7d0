"""One case with everything kept about it, as one JSON document; what was simulated stands apart and is marked."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from agents.types import Source
from clinic.models import (
    Case,
    Commitment,
    Consultation,
    Feedback,
    Finding,
    Handover,
    LedgerEntry,
    Outcome,
    RedFlagAlert,
    SimulatedResult,
    Turn,
)
from clinic.services import audit

FORMAT, FORMAT_VERSION = "rounds.case", 1
SIMULATED_NOTE = "Simulated: nobody measured these results. They are not findings of any person."
CASE_COLUMNS = ("key", "kind", "origin", "licence", "title", "age_years", "sex", "complaint", "history", "extra")
TURN_COLUMNS = (
    "number", "role", "status", "text", "action", "request", "matched", "source", "forced", "policy", "dropped",
)  # fmt: skip


def document(case: Case, *, exported_at: datetime) -> dict[str, Any]:
    consultations = case.consultations.select_related("clinician", "model_version", "world_version").order_by(
        "created_at"
    )
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "exported_at": exported_at.isoformat(),
        "case": _case(case),
        "findings": [_finding(finding) for finding in case.findings.select_related("by")],
        "simulated": _all_simulated(case),
        "consultations": [_consultation(consultation) for consultation in consultations],
        "audit": audit.entries_of("case", case.pk),
    }


def _all_simulated(case: Case) -> dict[str, Any] | None:
    """None for a real patient, whatever rows there are: an export is where a mistake would leave the house."""
    if case.is_real:
        return None
    return {"note": SIMULATED_NOTE, "results": [_simulated(result) for result in case.simulated_results.all()]}


def _columns(row: object, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}


def _case(case: Case) -> dict[str, Any]:
    patient = case.patient
    return {
        "id": str(case.pk),
        "site": case.site.slug,
        **_columns(case, CASE_COLUMNS),
        "patient": patient and {"id": str(patient.pk), **_columns(patient, ("identifier", "name", "sex"))},
        "birth_date": patient.birth_date.isoformat() if patient and patient.birth_date else None,
        "recorded_results": case.sheet,
        "recorded_answer": case.answer,
        "content_hash": case.content_hash,
        "created_at": case.created_at.isoformat(),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        **_columns(finding, ("source", "name", "code", "state", "text", "values")),
        "consultation": str(finding.consultation_id) if finding.consultation_id else None,
        "by": finding.by.username if finding.by else None,
        "at": finding.at.isoformat(),
        "undone_at": _iso(finding.retracted_at),
    }


def _simulated(result: SimulatedResult) -> dict[str, Any]:
    return {
        "source": "simulated",
        **_columns(result, ("name", "text", "values", "world", "world_version", "model", "seed")),
        "consultation": str(result.consultation_id),
        "at": result.at.isoformat(),
        "undone_at": _iso(result.retracted_at),
    }


def _consultation(consultation: Consultation) -> dict[str, Any]:
    return {
        "id": str(consultation.pk),
        "status": consultation.status,
        "clinician": consultation.clinician.username,
        "model_version": consultation.model_version.version,
        "world": _world(consultation),
        "diagnosis": consultation.diagnosis,
        "closing_note": consultation.closing_note,
        "created_at": consultation.created_at.isoformat(),
        "closed_at": consultation.closed_at.isoformat() if consultation.closed_at else None,
        "turns": [_turn(turn) for turn in _turns(consultation)],
        "feedback": [_feedback(row) for row in consultation.feedback.select_related("by", "turn", "model_version")],
        "outcomes": [_outcome(row) for row in consultation.outcomes.select_related("by")],
        "ledger": [_entry(row) for row in consultation.ledger.select_related("decided_by")],
        "red_flags": [_alert(row) for row in consultation.red_flags.select_related("acknowledged_by")],
        "commitment": _commitment(consultation),
        "handovers": [_handover(row) for row in consultation.handovers.select_related("sender", "receiver")],
        "status_history": [
            {"old": change.old, "new": change.new, "reason": change.reason, "at": change.at.isoformat()}
            for change in consultation.history()
        ],
        "audit": audit.entries_of("consultation", consultation.pk),
    }


def _entry(row: LedgerEntry) -> dict[str, Any]:
    kept = _columns(row, ("key", "name", "origin", "status", "evidence", "reason"))
    return {**kept, "by": row.decided_by.username if row.decided_by else None, "at": _iso(row.decided_at)}


def _alert(row: RedFlagAlert) -> dict[str, Any]:
    kept = _columns(row, ("flag", "says", "because", "consider"))
    by = row.acknowledged_by.username if row.acknowledged_by else None
    return {
        **kept,
        "at": row.raised_at.isoformat(),
        "acknowledged_by": by,
        "acknowledged_at": _iso(row.acknowledged_at),
    }


def _commitment(consultation: Consultation) -> dict[str, Any] | None:
    row = Commitment.objects.filter(consultation=consultation).select_related("by").first()
    if row is None:
        return None
    return {**_columns(row, ("differential", "next_examination")), "by": row.by.username, "at": row.at.isoformat()}


def _world(consultation: Consultation) -> dict[str, Any]:
    """What answered the examinations: the case itself, or a language model of this version and seed."""
    version = consultation.world_version.version if consultation.world_version else None
    return {"backend": consultation.world, "version": version, "seed": consultation.world_seed}


def _turns(consultation: Consultation) -> list[Turn]:
    turns = consultation.turns.select_related("by", "retracted_by").prefetch_related("outputs")
    return list(turns.exclude(source=Source.SIMULATED) if consultation.case.is_real else turns)


def _turn(turn: Turn) -> dict[str, Any]:
    outputs = sorted(turn.outputs.all(), key=lambda output: output.attempt)
    return {
        **_columns(turn, TURN_COLUMNS),
        "by": turn.by.username if turn.by else None,
        "at": turn.started_at.isoformat(),
        "undone_at": _iso(turn.retracted_at),
        "undone_by": turn.retracted_by.username if turn.retracted_by else None,
        "model_outputs": [_columns(output, ("attempt", "text", "complete")) for output in outputs],
    }


def _feedback(row: Feedback) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        **_columns(row, ("kind", "target", "reason_code", "reason", "data", "consent", "status")),
        "turn": row.turn.number if row.turn else None,
        "model_version": row.model_version.version if row.model_version else None,
        "by": row.by.username,
        "at": row.at.isoformat(),
    }


def _outcome(row: Outcome) -> dict[str, Any]:
    kept = _columns(row, ("diagnosis", "condition", "certainty", "harm", "note"))
    return {**kept, "by": row.by.username, "at": row.at.isoformat()}


def _handover(row: Handover) -> dict[str, Any]:
    people = {"sender": row.sender.username, "receiver": row.receiver.username}
    return {**people, "note": row.note, "at": row.at.isoformat()}


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
