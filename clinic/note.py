"""The short note of a consultation: plain text, ready to be pasted into a record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.utils import timezone

from clinic.models import CaseKind, ConsultationStatus, Finding, FindingState, LedgerEntry, LedgerStatus
from clinic.summary import Summary, evidence_words

KIND_WORDS = {
    CaseKind.VIRTUAL: "VIRTUAL CASE, FOR PRACTICE. No real patient.",
    CaseKind.RECORD: "PUBLISHED RECORD, FOR PRACTICE. Nobody under care here.",
}
SEX_WORDS = {"female": "woman", "male": "man"}
SHOWN = 5


def note_of(summary: Summary) -> str:
    """Lines of text; what is not known is left out, never filled in."""
    return "\n".join(line for line in _lines(summary) if line)


def _lines(summary: Summary) -> Iterator[str]:
    consultation, case = summary.consultation, summary.case
    yield KIND_WORDS.get(CaseKind(case.kind), "")
    yield f"{who(summary)}. {case.complaint}"
    yield from (f"{name}: {' '.join(text.split())}" for _, name, text in summary.sections)
    for state, label in ((FindingState.PRESENT, "Present"), (FindingState.ABSENT, "Absent")):
        names = [row.name for row in summary.findings if row.code and not row.values and row.state == state]
        yield f"{label}: {', '.join(names)}" if names else ""
    numbers = [result_line(row) for row in summary.measured]
    yield f"Results: {'; '.join(numbers)}" if numbers else ""
    yield f"Red flags: {'; '.join(flag.says for flag in summary.red_flags)}" if summary.red_flags else ""
    yield from (ledger_line(entry) for entry in summary.ledger)
    if consultation.status == ConsultationStatus.CLOSED:
        yield f"Diagnosis ({consultation.clinician.display_name}): {consultation.diagnosis}"
        yield consultation.closing_note
    if summary.outcome:
        certainty = summary.outcome.get_certainty_display().lower()
        yield f"Outcome, {certainty}: {summary.outcome.diagnosis}"
    yield agent_line(summary)
    yield left_out_line(summary)


def who(summary: Summary) -> str:
    case = summary.case
    age = "" if case.age_years is None else f"{case.age_years:g}-year-old "
    person = SEX_WORDS.get(case.sex, "patient")
    number = f" (patient {case.patient.identifier})" if case.patient else ""
    return f"{age}{person}{number}"[:1].upper() + f"{age}{person}{number}"[1:]


def result_line(row: Finding) -> str:
    """ "Potassium 5.9 mmol/L (3.5-5.1) high", or the report's words."""
    if not row.values:
        return f"{row.name}: {' '.join(row.text.split())}"
    # Whoever entered numbers with a report wrote one line for each number, and then the report.
    report = " ".join(" ".join(row.text.split("\n")[len(row.values) :]).split())
    return ", ".join(value_words(value, row.name) for value in row.values) + (f". {report}" if report else "")


def value_words(value: dict[str, Any], name: str) -> str:
    unit = str(value.get("unit") or "").replace("[", "").replace("]", "").replace("Cel", "°C")
    low, high = value.get("low"), value.get("high")
    limits = f" ({low:g}–{high:g})" if low is not None and high is not None else ""
    flag = {"H": " high", "HH": " very high", "L": " low", "LL": " very low"}.get(str(value.get("flag") or ""), "")
    return f"{value.get('name') or name} {value['value']:g} {unit}".rstrip() + limits + flag


def ledger_line(entry: LedgerEntry) -> str:
    by = (
        f" ({entry.decided_by.display_name}, {timezone.localtime(entry.decided_at):%d %b %Y %H:%M})"
        if entry.decided_by and entry.decided_at
        else ""
    )
    if entry.status == LedgerStatus.EXCLUDED:
        evidence = "; ".join(evidence_words(entry))
        return f"Can’t miss: {entry.name}, excluded by {evidence}{by}"
    if entry.status == LedgerStatus.ACCEPTED:
        return f"Can’t miss: {entry.name}, accepted as open: {entry.reason}{by}"
    return f"Can’t miss: {entry.name}, still open"


def agent_line(summary: Summary) -> str:
    """What the agent suggested, last, and by which version: advice beside the diagnosis, never in its place."""
    version = summary.consultation.model_version
    told = [
        f"{entry['diagnosis']}" + ("" if entry.get("probability") is None else f" {entry['probability']:.0%}")
        for entry in summary.differential[:SHOWN]
    ]
    by = f"{version.name}; {version.get_training_display().lower()}"
    if summary.deferred:
        named = f" Likeliest of what it had named: {', '.join(told)}." if told else ""
        return f"Rounds ({by}) deferred.{named} Advice only."
    if not told:
        return ""
    return f"Suggested by Rounds ({by}): {', '.join(told)}. Advice only."


def left_out_line(summary: Summary) -> str:
    """How many simulated results there are that no export holds."""
    left = summary.left_out
    return f"{left} simulated result{'s' if left > 1 else ''} left out: nobody measured them." if left else ""
