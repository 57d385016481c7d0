"""One case with everything kept about it, as one JSON document; what was simulated stands apart and is marked."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from clinic.models import Case, Consultation, Finding, SimulatedResult, Turn
from clinic.services import audit

FORMAT, FORMAT_VERSION = "rounds.case", 1
SIMULATED_NOTE = "Simulated: nobody measured these results. They are not findings of any person."
CASE_COLUMNS = ("key", "kind", "origin", "licence", "title", "age_years", "sex", "complaint", "history", "extra")
TURN_COLUMNS = ("number", "role", "status", "text", "action", "request", "matched", "source", "forced", "policy")


def document(case: Case, *, exported_at: datetime) -> dict[str, Any]:
    consultations = case.consultations.select_related("clinician", "model_version", "world_version").order_by("created_at")
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "exported_at": exported_at.isoformat(),
        "case": _case(case),
        "findings": [_finding(finding) for finding in case.findings.select_related("by")],
        "simulated": {
            "note": SIMULATED_NOTE,
            "results": [_simulated(result) for result in case.simulated_results.all()],
        },
        "consultations": [_consultation(consultation) for consultation in consultations],
        "audit": audit.entries_of("case", case.pk),
    }


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
        **_columns(finding, ("source", "name", "text", "values")),
        "consultation": str(finding.consultation_id) if finding.consultation_id else None,
        "by": finding.by.username if finding.by else None,
        "at": finding.at.isoformat(),
    }


def _simulated(result: SimulatedResult) -> dict[str, Any]:
    return {
        "source": "simulated",
        **_columns(result, ("name", "text", "values", "world", "world_version", "model", "seed")),
        "consultation": str(result.consultation_id),
        "at": result.at.isoformat(),
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
        "turns": [_turn(turn) for turn in consultation.turns.select_related("by").prefetch_related("outputs")],
        "status_history": [
            {"old": change.old, "new": change.new, "reason": change.reason, "at": change.at.isoformat()}
            for change in consultation.history()
        ],
        "audit": audit.entries_of("consultation", consultation.pk),
    }


def _world(consultation: Consultation) -> dict[str, Any]:
    """What answered the examinations: the case itself, or a language model of this version and seed."""
    version = consultation.world_version.version if consultation.world_version else None
    return {"backend": consultation.world, "version": version, "seed": consultation.world_seed}


def _turn(turn: Turn) -> dict[str, Any]:
    outputs = sorted(turn.outputs.all(), key=lambda output: output.attempt)
    return {
        **_columns(turn, TURN_COLUMNS),
        "by": turn.by.username if turn.by else None,
        "at": turn.started_at.isoformat(),
        "model_outputs": [_columns(output, ("attempt", "text", "complete")) for output in outputs],
    }
