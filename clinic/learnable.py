"""What may be learned from: approved, with consent, not withdrawn, and of a case that training may see."""

from __future__ import annotations

from clinic.models import Case, CaseKind, Feedback, FeedbackStatus

HELD_OUT = "virtual:"
PRACTISED = "virtual:train:"
"""The one split of virtual patients that training may see; the others measure what was learned."""

WHY_NOT = {
    "withdrawn": "withdrawn by who gave it",
    "quarantined": "quarantined",
    "proposed": "not approved yet",
    "no_consent": "no consent to learn from it",
    "patient": "a real patient's case",
    "credentialed": "a record under a data use agreement",
    "held_out": "a virtual patient kept for measuring",
    "never_train": "its source forbids training",
    "deleted": "its case was deleted",
    "no_case": "about no consultation",
}


def why_not(row: Feedback) -> str:
    """A key of WHY_NOT, or '' for what may be learned from. `row.consultation.case` is read, and that of the
    consultation it was compared with."""
    return forbids(row) if row.status == FeedbackStatus.APPROVED else str(row.status)


def forbids(row: Feedback) -> str:
    """A key of WHY_NOT for what no approval changes, or ''."""
    if not row.consent:
        return "no_consent"
    if row.consultation is None:
        return "no_case"
    annotation = getattr(row, "annotation", None)
    other = annotation.item.other if annotation else None
    return case_forbids(row.consultation.case) or (case_forbids(other.case) if other else "")


def case_forbids(case: Case) -> str:
    """A key of WHY_NOT, or ''. No site lets real patients' cases be learned from (decisions.md 3)."""
    if case.deleted_at is not None:
        return "deleted"
    if case.kind == CaseKind.PATIENT:
        return "patient"
    if case.credentialed:
        return "credentialed"
    if case.key.startswith(HELD_OUT) and not case.key.startswith(PRACTISED):
        return "held_out"
    return "never_train" if case.extra.get("never_train") else ""
