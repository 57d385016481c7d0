"""Appends what a consultation's sockets are to be told, in the same transaction as what it tells of."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from clinic.models import Consultation, Event, EventType


class Outbox:
    """Events of one consultation, numbered without gaps. The caller holds the consultation's row lock.

    `Consultation.last_seq` is the last event that is not a token: a page rendered now shows everything up to
    there, and a socket opened at it replays the provisional text of the turn that is still being written.
    """

    def __init__(self, consultation: Consultation) -> None:
        self._consultation = consultation
        newest = Event.objects.filter(consultation=consultation).order_by("-seq").values_list("seq", flat=True).first()
        self._next = (newest or 0) + 1
        self.events: list[Event] = []

    def add(self, type_: EventType, data: dict[str, Any], *, turn: int, attempt: int = 1) -> None:
        event = Event(
            consultation=self._consultation, turn=turn, attempt=attempt, seq=self._next, type=type_, data=data
        )
        self.events.append(event)
        self._next += 1

    def save(self) -> list[Event]:
        Event.objects.bulk_create(self.events)
        self._consultation.last_seq = self._next - 1
        self._consultation.updated_at = timezone.now()
        Consultation.objects.filter(pk=self._consultation.pk).update(
            last_seq=self._consultation.last_seq, updated_at=self._consultation.updated_at
        )
        return self.events
