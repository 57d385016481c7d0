"""Tells every open page of a consultation that something beside its turns has changed."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Max

from clinic.models import Consultation, ConsultationStatus, EventType
from clinic.services import dispatch
from clinic.services.events import Outbox


def redraw(consultation: Consultation, what: str) -> None:
    """The caller holds the row lock. While the agent speaks the events are its producer's, and its end redraws too."""
    if consultation.status == ConsultationStatus.THINKING:
        return
    outbox = Outbox(consultation)
    newest = consultation.turns.aggregate(last=Max("number"))["last"] or 0
    outbox.add(EventType.STATE, {"state": what}, turn=newest)
    last = outbox.save()[-1].seq
    transaction.on_commit(lambda: dispatch.announce(consultation.pk, last))
