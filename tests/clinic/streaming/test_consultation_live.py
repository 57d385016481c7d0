"""A consultation as a clinician lives it: events live, stored, replayed, and the model's words kept byte for byte."""

from __future__ import annotations

from asgiref.sync import sync_to_async

from clinic.models import Consultation, ModelOutput, Turn
from clinic.services import consultations
from tests.clinic.streaming.conftest import people_and_case, stored_events
from tests.doubles.engine import FakeEngine


async def test_first_turn_arrives_live_and_is_stored(host, engine: FakeEngine, open_socket) -> None:
    user, case = await sync_to_async(people_and_case)()
    consultation = await host.threads.run(consultations.start, case=case, by=user)
    socket = await (await open_socket(consultation)).open()
    done = await socket.until("done", "error")
    assert done["type"] == "done", done
    stored = await sync_to_async(stored_events)(consultation)
    assert [event["seq"] for event in stored] == list(range(1, len(stored) + 1))
    turn = await Turn.objects.aget(consultation=consultation, role="agent")
    output = await ModelOutput.objects.aget(turn=turn)
    assert output.text == engine.requests[0].text == next(e for e in stored if e["type"] == "turn")["data"]["text"]
    assert output.complete
    assert turn.policy["prompt"]
    assert (await Consultation.objects.aget(pk=consultation.pk)).status in ("waiting", "diagnosed", "deferred")
    await socket.close()
