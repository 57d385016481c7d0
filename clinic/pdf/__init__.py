"""A consultation on paper: typeset by Typst from data alone, so that no text of a case is ever read as markup."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typst
from django.utils import timezone

from clinic.models import CaseKind, ConsultationStatus, FindingState
from clinic.note import KIND_WORDS, agent_line, ledger_line, left_out_line, result_line, who
from clinic.summary import Summary

TEMPLATE = Path(__file__).parent / "consultation.typ"


def pdf_of(summary: Summary) -> bytes:
    """The PDF file. Simulated results are left out and counted; a case for practice is watermarked on every page."""
    data = json.dumps(_data(summary), ensure_ascii=False)
    made = typst.compile(str(TEMPLATE), root=str(TEMPLATE.parent), sys_inputs={"data": data}, ignore_system_fonts=True)
    assert isinstance(made, bytes)
    return made


def _data(summary: Summary) -> dict[str, Any]:
    consultation, case = summary.consultation, summary.case
    closed = consultation.status == ConsultationStatus.CLOSED
    states = [(FindingState.PRESENT, "Present"), (FindingState.ABSENT, "Absent"), (FindingState.UNKNOWN, "Unknown")]
    coded = [row for row in summary.findings if row.code and not row.values]
    return {
        "title": case.title,
        "watermark": "" if summary.is_real else "FOR PRACTICE",
        "notice": KIND_WORDS.get(CaseKind(case.kind), ""),
        "who": who(summary),
        "complaint": case.complaint,
        "sections": [[name, text] for _, name, text in summary.sections],
        "findings": [[label, [row.name for row in coded if row.state == state]] for state, label in states],
        "results": [result_line(row) for row in summary.measured],
        "red_flags": [flag.says for flag in summary.red_flags],
        "ledger": [ledger_line(entry) for entry in summary.ledger],
        "diagnosis": consultation.diagnosis if closed else "",
        "note": consultation.closing_note if closed else "",
        "status": consultation.get_status_display(),
        "clinician": consultation.clinician.display_name,
        "agent": agent_line(summary),
        "outcome": _outcome(summary),
        "left_out": left_out_line(summary),
        "made": f"{timezone.localtime(summary.made_at):%d %b %Y %H:%M %Z}",
        "opened": f"{timezone.localtime(consultation.created_at):%d %b %Y %H:%M}",
    }


def _outcome(summary: Summary) -> str:
    found = summary.outcome
    return f"{found.diagnosis} ({found.get_certainty_display().lower()})" if found else ""
