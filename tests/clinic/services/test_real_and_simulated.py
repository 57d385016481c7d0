"""No verb, no socket, no world and no export brings anything simulated near a real patient; each defence by itself."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from agents.types import Observation, Source
from clinic.consumers import VERBS, perform
from clinic.models import Consultation, Finding, SimulatedResult, StaleStatus, Turn, TurnRole
from clinic.services import consultations, steering, worlds
from clinic.services.case_export import document
from clinic.services.errors import Refused
from tests.clinic.factories import make_case, make_consultation, make_finding, make_simulated_result, make_turn
from tests.clinic.services.steered import Host, host, speaks, started
from tests.clinic.streaming.live import Opener, engine, open_socket
from tests.clinic.streaming.live import host as streaming_host

__all__ = ["engine", "host", "open_socket", "streaming_host"]

SIMULATED = Observation("Troponin I 4 ng/L", Source.SIMULATED, request="Troponin", matched="Troponin")
CALLS: dict[str, Callable[[Consultation], Any]] = {
    "order": lambda c: consultations.order(consultation=c, by=c.clinician),
    "order another": lambda c: consultations.order(consultation=c, by=c.clinician, examination="Troponin"),
    "order several": lambda c: consultations.order_many(consultation=c, by=c.clinician, examinations=["CRP", "TSH"]),
    "ask": lambda c: consultations.ask(consultation=c, by=c.clinician, question="Do you smoke?"),
}


@pytest.mark.django_db
@pytest.mark.parametrize("verb", CALLS)
def test_no_verb_simulates_for_a_real_patient(host: Host, verb: str) -> None:
    started("patient")
    consultation = speaks(host)
    with pytest.raises(Refused, match="real patient"):
        CALLS[verb](consultation)
    assert Turn.objects.count() == 1


@pytest.mark.django_db
def test_the_agents_question_is_never_answered_by_a_world(host: Host) -> None:
    started("patient")
    consultation = speaks(host, "ask", "Do you smoke?")
    with pytest.raises(Refused):
        consultations.answer(consultation=consultation, by=consultation.clinician)
    assert Turn.objects.count() == 1


@pytest.mark.django_db
def test_nobody_plays_a_real_patient(host: Host) -> None:
    started("patient")
    case = make_case("patient")
    with pytest.raises(Refused):
        consultations.start(case=case, by=speaks(host).clinician, alone=True)


@pytest.mark.django_db
@pytest.mark.parametrize("do", sorted(VERBS))
def test_no_message_of_the_socket_does(host: Host, do: str) -> None:
    """Every verb the socket knows, with arguments that it would take."""
    words = {"examination": "CRP", "question": "Pain?", "text": "", "reason_code": "too_slow", "note": ""}
    started("patient")
    consultation = speaks(host, "ask", "Pain?")
    verb, known = VERBS[do]
    with suppress(Refused, StaleStatus):
        perform(verb, consultation.pk, consultation.clinician, {name: words.get(name, "x") for name in known})
    assert not SimulatedResult.objects.exists()
    assert not Turn.objects.exclude(source__in=["", "entered"]).exists()
    assert not Finding.objects.exclude(source="entered").exists()


@pytest.mark.django_db(transaction=True)
async def test_over_a_real_socket(streaming_host: Any, open_socket: Opener) -> None:
    case = await sync_to_async(make_case)("patient")
    consultation = await sync_to_async(make_consultation)(case=case)
    await sync_to_async(make_turn)(consultation, "agent", action={"action": "examine", "target": "CRP"})
    socket = await (await open_socket(consultation)).open()
    await socket.say(do="order")
    error = await socket.until("error")
    assert "real patient" in error["data"]["sentence"]
    assert await Turn.objects.acount() == 1
    await socket.close()


@pytest.mark.django_db
def test_there_is_no_world_for_a_real_patient() -> None:
    with pytest.raises(ValueError, match="never by a world"):
        worlds.world_for(make_case("patient"))


@pytest.mark.django_db
def test_a_step_refuses_a_simulated_turn(host: Host) -> None:
    started("patient")
    consultation = speaks(host)
    with (
        pytest.raises(Refused, match="simulated result was refused"),
        steering.steering(consultation, consultation.clinician) as step,
    ):
        step.turn(TurnRole.ENVIRONMENT, text="Troponin 4", source="simulated")
    assert Turn.objects.count() == 1


@pytest.mark.django_db
def test_the_database_refuses_it_too() -> None:
    consultation = make_consultation(case=make_case("patient"))
    turn = make_turn(consultation, "environment")
    for kind in ("patient", "virtual"):
        with pytest.raises(IntegrityError), transaction.atomic():
            make_simulated_result(turn, case_kind=kind)
    with pytest.raises(IntegrityError), transaction.atomic():
        make_finding(consultation.case, source="simulated")


@pytest.mark.django_db
def test_an_export_leaves_it_out_even_if_the_database_had_it() -> None:
    """The constraints are taken away for the length of this test's transaction."""
    with connection.cursor() as cursor:
        for name in ("simulated_never_on_a_real_patient", "simulated_result_case_and_kind"):
            cursor.execute(f"ALTER TABLE clinic_simulatedresult DROP CONSTRAINT {name}")
    consultation = make_consultation(case=make_case("patient"))
    turn = make_turn(consultation, "environment", source="simulated", text="Troponin I 4 ng/L")
    make_simulated_result(turn, case_kind="patient")
    exported = document(consultation.case, exported_at=timezone.now())
    assert exported["simulated"] is None
    assert exported["consultations"][0]["turns"] == []
    assert "Troponin" not in str(exported)


@pytest.mark.django_db
def test_an_export_marks_what_was_undone() -> None:
    consultation = make_consultation(case=make_case("virtual"))
    turn = make_turn(consultation, "environment", source="simulated", retracted_at=timezone.now())
    make_simulated_result(turn, retracted_at=timezone.now())
    exported = document(consultation.case, exported_at=timezone.now())
    assert exported["simulated"]["results"][0]["undone_at"]
    assert exported["consultations"][0]["turns"][0]["undone_at"]
