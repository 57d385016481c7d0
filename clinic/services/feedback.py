"""What clinicians give back: kept with who, when, about which turn of which model version, and with what consent."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from clinic.models import CaseKind, Consultation, Feedback, FeedbackKind, FeedbackStatus, Turn, User
from clinic.services import audit
from clinic.services.errors import SENTENCES, Refused

DECISIONS = (FeedbackKind.ACCEPTED, FeedbackKind.REPLACED, FeedbackKind.REJECTED, FeedbackKind.DIFFERENTIAL)


@transaction.atomic
def give(
    *,
    kind: str,
    by: User,
    consultation: Consultation,
    turn: Turn | None = None,
    target: str = "",
    reason_code: str = "",
    reason: str = "",
    data: dict[str, Any] | None = None,
    consent: bool | None = None,
) -> Feedback:
    """One row, proposed. The caller's audit entry names what was done; a reason never gets into the log.

    Without a word about consent, feedback on a real patient's case has none, and what is said about an invented or
    published case may be learned from once it is approved.
    """
    return Feedback.objects.create(
        site=consultation.site,
        kind=kind,
        consultation=consultation,
        turn=turn,
        model_version_id=consultation.model_version_id,
        target=target[:300],
        reason_code=reason_code,
        reason=reason.strip(),
        data=data or {},
        by=by,
        consent=consultation.case.kind != CaseKind.PATIENT if consent is None else consent,
    )


@transaction.atomic
def withdraw(*, feedback: Feedback, by: User) -> None:
    """By its giver alone, at any time and for good, whatever has been decided about it since."""
    current = _mine(feedback, by)
    current.move_to(FeedbackStatus.WITHDRAWN, by=by)
    feedback.status = current.status
    _audit(current, by, "withdrawn")


@transaction.atomic
def allow(*, feedback: Feedback, by: User, consent: bool) -> None:
    """Give or take back the consent to learn from it; only its giver can."""
    current = _mine(feedback, by)
    Feedback.objects.filter(pk=current.pk).update(consent=consent)
    feedback.consent = consent
    _audit(current, by, "consent", consent=consent)


def undo_decision(consultation: Consultation, turn: Turn, by: User) -> None:
    """The step that answered this turn's recommendation was undone: what it said about it counts no longer."""
    given = Feedback.objects.select_for_update(no_key=True).filter(
        consultation=consultation, turn=turn, kind__in=DECISIONS
    )
    for row in given.exclude(status=FeedbackStatus.WITHDRAWN):
        row.move_to(FeedbackStatus.WITHDRAWN, by=by, reason="undone")


def _mine(feedback: Feedback, by: User) -> Feedback:
    current = (
        Feedback.objects.visible_to(by).select_for_update(no_key=True, of=("self",)).filter(pk=feedback.pk).first()
    )
    if current is None or current.by_id != by.pk:
        raise Refused(SENTENCES["not_given_by_you"])
    if current.status == FeedbackStatus.WITHDRAWN:
        raise Refused(SENTENCES["withdrawn"])
    return current


def _audit(feedback: Feedback, by: User, what: str, **data: Any) -> None:
    facts = {"kind": feedback.kind, "consultation": str(feedback.consultation_id), **data}
    audit.record(by=by, action=f"feedback.{what}", noun="feedback", target=feedback.pk, data=facts, site=feedback.site)
