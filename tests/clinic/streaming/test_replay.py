"""Replay: from where, in what order, and what a client gets whose last numbers were never stored."""

from __future__ import annotations

import orjson
import pytest

from clinic.models import Consultation, Event
from clinic.streaming.replay import events_after, first_to_send
from tests.clinic.factories import make_consultation

pytestmark = pytest.mark.django_db


def write(consultation: Consultation, *events: tuple[int, str, int]) -> None:
    """(turn, type, attempt), numbered on."""
    seq = Event.objects.filter(consultation=consultation).count()
    for number, (turn, type_, attempt) in enumerate(events, start=seq + 1):
        Event.objects.create(consultation=consultation, turn=turn, attempt=attempt, seq=number, type=type_, data={})


def test_pages_hold_the_contracts_shape_in_order() -> None:
    consultation = make_consultation()
    write(consultation, (1, "state", 1), (1, "token", 1), (1, "done", 1))
    frames = events_after(consultation.pk, 1)
    assert [(seq, whole) for seq, _, whole in frames] == [(2, True), (3, True)]
    event = {"type": "token", "turn": 1, "attempt": 1, "seq": 2, "data": {}}
    assert orjson.loads(frames[0][1]) == event


def test_a_client_that_saw_unstored_numbers_gets_the_new_attempt_from_its_beginning() -> None:
    consultation = make_consultation()
    write(consultation, (1, "state", 1), (1, "token", 1), (1, "state", 2), (1, "token", 2), (1, "token", 2))
    assert first_to_send(consultation.pk, 5) == 2
    assert first_to_send(consultation.pk, 1) == 1


def test_an_old_restart_is_not_sent_again() -> None:
    consultation = make_consultation()
    write(consultation, (1, "state", 2), (1, "done", 2), (2, "turn", 1), (3, "state", 1))
    assert first_to_send(consultation.pk, 4) == 4
    assert first_to_send(make_consultation().pk, 0) == 0
