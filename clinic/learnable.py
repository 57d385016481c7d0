"""What may be learned from: approved, with consent, not withdrawn, and of a case that training may see."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

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
    "held_out": "a case kept for measuring",
    "never_train": "its source forbids training",
    "deleted": "its case was deleted",
    "no_case": "about no consultation",
}


MEASURED: list[Callable[[Sequence[Case]], set[UUID]]] = []
"""Which of these cases some evaluation was on, by primary key; who keeps evaluations adds its answer when it starts."""


def why_not(row: Feedback) -> str:
    """A key of WHY_NOT, or '' for what may be learned from. `row.consultation.case` is read, and that of the
    consultation it was compared with."""
    return forbids(row) if row.status == FeedbackStatus.APPROVED else str(row.status)


def forbids(row: Feedback) -> str:
    """A key of WHY_NOT for what no approval changes, or ''."""
    if not row.consent:
        return "no_consent"
    cases = cases_of(row)
    return next((why for case in cases if (why := case_forbids(case))), "") if cases else "no_case"


def cases_of(row: Feedback) -> list[Case]:
    """Its consultation's, and that of the consultation it was compared with."""
    if row.consultation is None:
        return []
    annotation = getattr(row, "annotation", None)
    other = annotation.item.other if annotation else None
    return [row.consultation.case, *([other.case] if other else [])]


def look_up(cases: Iterable[Case]) -> None:
    """Ask once for many cases whether they were measured on; `case_forbids` asks for each one that was not."""
    records = [case for case in cases if case.kind == CaseKind.RECORD]
    found = {key for ask in MEASURED for key in ask(records)} if records else set()
    for case in records:
        setattr(case, "was_measured", case.pk in found)  # noqa: B010


def _was_measured(case: Case) -> bool:
    if case.kind == CaseKind.RECORD and not hasattr(case, "was_measured"):
        look_up([case])
    return bool(getattr(case, "was_measured", False))


def case_forbids(case: Case) -> str:
    """A key of WHY_NOT, or ''. No site lets real patients' cases be learned from (decisions.md 3)."""
    if case.deleted_at is not None:
        return "deleted"
    if case.kind == CaseKind.PATIENT:
        return "patient"
    if case.credentialed:
        return "credentialed"
    if (case.key.startswith(HELD_OUT) and not case.key.startswith(PRACTISED)) or _was_measured(case):
        return "held_out"
    return "never_train" if case.extra.get("never_train") else ""
