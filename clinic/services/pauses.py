"""Sets a consultation aside for days, and takes it up again as it was left."""

from __future__ import annotations

from datetime import date

from django.utils import timezone

from clinic.models import Consultation, User
from clinic.services.errors import SENTENCES, Refused
from clinic.services.steering import steering


def pause(*, consultation: Consultation, by: User, until: date | None = None, note: str = "") -> None:
    """Until a day, or until somebody resumes it; `note` says what it waits for."""
    if until and until <= timezone.localdate():
        raise Refused(SENTENCES["pause_past"])
    with steering(consultation, by) as step:
        current = step.consultation
        current.paused_at, current.paused_until, current.pause_note = step.at, until, note.strip()
        current.save(update_fields=["paused_at", "paused_until", "pause_note"])
        step.state("paused")
        step.audit("paused", until=until)


def resume(*, consultation: Consultation, by: User) -> None:
    """The note stays, as the record of why it waited."""
    with steering(consultation, by, paused=True) as step:
        current = step.consultation
        if current.paused_at is None:
            raise Refused(SENTENCES["not_paused"])
        current.paused_at = current.paused_until = None
        current.save(update_fields=["paused_at", "paused_until"])
        step.state("resumed")
        step.audit("resumed")
