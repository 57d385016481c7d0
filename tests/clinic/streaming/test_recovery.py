"""Turns that nobody produces are found: opened by a command, or left behind by a process that died."""

from __future__ import annotations

import asyncio

from asgiref.sync import sync_to_async

from clinic.models import Consultation, Event, Turn
from clinic.services import agent_turns, consultations
from clinic.streaming import host as hosts
from clinic.streaming import recovery
from tests.clinic.factories import make_case, make_consultation, make_endpoint, make_user
from tests.doubles.engine import FakeEngine


def opened(engine: FakeEngine) -> Consultation:
    make_endpoint(url=engine.url, model_name=engine.model)
    return consultations.start(case=make_case(), by=make_user())


async def test_a_worker_sees_a_turn_through(engine: FakeEngine) -> None:
    consultation = await sync_to_async(opened)(engine)
    assert await recovery.recover_once() == 1
    turn = await Turn.objects.aget(consultation=consultation)
    assert (turn.status, turn.attempt) == ("complete", 1)
    assert await recovery.recover_once() == 0, "a second delivery of the task finds nothing"


async def test_a_web_process_goes_on_when_it_comes_up(engine: FakeEngine) -> None:
    consultation = await sync_to_async(opened)(engine)
    try:
        hosts.current()
        async with asyncio.timeout(10):
            while (await Turn.objects.aget(consultation=consultation)).status != "complete":
                await asyncio.sleep(0.05)
    finally:
        await hosts.close_current()


async def test_an_orderly_end_gives_leases_back(engine: FakeEngine) -> None:
    engine.rate = 20
    await sync_to_async(make_endpoint)(url=engine.url, model_name=engine.model)
    host = hosts.current()
    consultation = await sync_to_async(make_consultation)(status="stopped")
    await host.threads.run(consultations.retry, consultation=consultation, by=consultation.clinician)
    while not (engine.running and engine.running[0].sent > 3):
        await asyncio.sleep(0.01)
    await hosts.close_current()
    turn = await Turn.objects.aget(consultation=consultation)
    assert await sync_to_async(agent_turns.expired)() == [turn.pk]
    assert engine.requests[0].cancelled
    engine.rate = 0
    await recovery.recover_once()
    restarted = await Event.objects.aget(consultation=consultation, data__state="restarted")
    assert restarted.attempt == 2


async def test_a_turn_whose_producers_keep_dying_is_given_up(engine: FakeEngine) -> None:
    consultation = await sync_to_async(opened)(engine)
    await Turn.objects.aupdate(attempt=agent_turns.MAX_ATTEMPTS)
    await recovery.recover_once()
    turn = await Turn.objects.aget(consultation=consultation)
    assert (turn.status, turn.error_code) == ("failed", "internal")
    assert not engine.requests
