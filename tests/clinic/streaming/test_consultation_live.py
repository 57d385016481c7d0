"""A consultation as a clinician lives it: events live, stored, replayed, and the model's words kept byte for byte."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

from asgiref.sync import sync_to_async

from agents.answers import DECIDE, RESAMPLE
from clinic.models import Consultation, ModelOutput, ModelVersion, Turn
from clinic.rendering import turn_html
from clinic.services import consultations
from clinic.streaming.host import Host
from tests.clinic.streaming.live import Opener, people_and_case, stored_events
from tests.doubles.engine import FakeEngine
from tests.drills.reader import Reader


async def start(host: Host) -> Consultation:
    user, case = await sync_to_async(people_and_case)()
    return await host.threads.run(consultations.start, case=case, by=user)


async def waiting_for_words(engine: FakeEngine) -> None:
    while not (engine.running and engine.running[-1].sent > 3):
        await asyncio.sleep(0.01)


async def test_a_turn_arrives_live_and_is_stored(host: Host, engine: FakeEngine, open_socket: Opener) -> None:
    consultation = await start(host)
    socket = await (await open_socket(consultation)).open()
    done = await socket.until("done", "error")
    assert done["type"] == "done", done
    stored = await sync_to_async(stored_events)(consultation)
    assert [event["seq"] for event in stored] == list(range(1, len(stored) + 1))
    turn = await Turn.objects.aget(consultation=consultation, role="agent")
    output = await ModelOutput.objects.aget(turn=turn)
    assert output.text == engine.requests[0].text == Reader(stored).finals[turn.number]
    assert output.complete
    assert turn.policy["prompt"]
    assert turn.first_token_ms > 0
    assert turn.tokens > 10
    live, replayed = Reader(socket.events), Reader(stored)
    assert live.provisional == replayed.provisional
    assert live.provisional[(turn.number, 1)]["reason"] == turn.action["reason"]
    await socket.close()


async def test_a_socket_that_joins_in_the_middle_misses_nothing(
    host: Host, engine: FakeEngine, open_socket: Opener
) -> None:
    consultation = await start(host)
    first = await (await open_socket(consultation)).open()
    for _ in range(4):
        await asyncio.sleep(0.07)
        late = await (await open_socket(consultation)).open()
        await late.until("done", "error")
        await first.until("done", "error") if first.events == [] else None
        assert Reader(late.events).provisional == Reader(first.events).provisional
        await late.close()


async def test_whole_consultation_over_one_socket(host: Host, engine: FakeEngine, open_socket: Opener) -> None:
    consultation = await start(host)
    socket = await (await open_socket(consultation)).open()
    verbs = {"ask": "answer", "examine": "order"}
    for _ in range(16):
        done = await socket.until("done", "error")
        assert done["type"] == "done", done
        if done["data"]["action"] in ("diagnose", "defer"):
            break
        await socket.say(do=verbs[done["data"]["action"]])
    status = (await Consultation.objects.aget(pk=consultation.pk)).status
    assert status in ("diagnosed", "deferred")
    finals = Reader(await sync_to_async(stored_events)(consultation)).finals
    agent = Turn.objects.filter(consultation=consultation, role="agent")
    assert [finals[turn.number] async for turn in agent] == [said.text for said in engine.requests]
    prompts = [said.body["messages"] for said in engine.requests]
    for shorter, longer in pairwise(prompts):
        assert longer[: len(shorter)] == shorter, "every prompt continues the one before it"
    await socket.close()


async def test_stop_closes_the_models_stream(host: Host, engine: FakeEngine, open_socket: Opener) -> None:
    engine.rate = 20
    consultation = await start(host)
    socket = await (await open_socket(consultation)).open()
    await waiting_for_words(engine)
    await socket.say(do="stop")
    done = await socket.until("done", "error")
    assert done["data"]["status"] == "stopped"
    async with asyncio.timeout(2):
        while not engine.requests[0].cancelled:
            await asyncio.sleep(0.01)
    output = await ModelOutput.objects.aget(turn__consultation=consultation)
    assert not output.complete
    assert output.text
    assert engine.requests[0].text.startswith(output.text), "the partial answer is kept"
    await socket.say(do="retry")
    assert (await socket.until("done", "error"))["data"]["status"] != "stopped"
    await socket.close()


async def test_stop_before_the_first_word(host: Host, engine: FakeEngine, open_socket: Opener) -> None:
    engine.fail("hang_first")
    consultation = await start(host)
    socket = await (await open_socket(consultation)).open()
    while not engine.requests:
        await asyncio.sleep(0.01)
    await socket.say(do="stop")
    assert (await socket.until("done", "error"))["data"]["status"] == "stopped"
    await socket.close()


async def test_stop_asked_in_another_process(host: Host, engine: FakeEngine) -> None:
    """The request is on the row; nobody tells this process."""
    engine.rate = 20
    consultation = await start(host)
    await waiting_for_words(engine)
    await Turn.objects.filter(consultation=consultation).aupdate(stop_requested_at="2026-01-01T00:00Z")
    async with asyncio.timeout(3):
        await host.drain()
    assert (await Consultation.objects.aget(pk=consultation.pk)).status == "stopped"
    assert engine.requests[0].cancelled


async def test_a_malformed_answer_is_repaired_once(host: Host, engine: FakeEngine, open_socket: Opener) -> None:
    engine.fail("malformed")
    consultation = await start(host)
    socket = await (await open_socket(consultation)).open()
    assert (await socket.until("done", "error"))["type"] == "done"
    restarts = [event for event in socket.events if event["data"].get("state") == "restarted"]
    assert [event["data"]["reason"] for event in restarts] == ["malformed"]
    outputs = ModelOutput.objects.filter(turn__consultation=consultation).order_by("attempt")
    assert [output.complete async for output in outputs] == [False, True]
    repair = engine.requests[1].body["messages"]
    assert repair[-2] == {"role": "assistant", "content": engine.requests[0].text}
    await socket.close()


async def test_a_second_malformed_answer_fails_the_turn(host: Host, engine: FakeEngine, open_socket: Opener) -> None:
    engine.fail("malformed", times=2)
    consultation = await start(host)
    socket = await (await open_socket(consultation)).open()
    error = await socket.until("done", "error")
    assert error["data"]["code"] == "malformed"
    assert (await Turn.objects.aget(consultation=consultation)).status == "failed"
    await socket.close()


async def test_an_engine_that_breaks_off_fails_the_turn_with_a_sentence(
    host: Host, engine: FakeEngine, open_socket: Opener
) -> None:
    engine.fail("drop", after=8)
    consultation = await start(host)
    socket = await (await open_socket(consultation)).open()
    error = await socket.until("done", "error")
    assert error["data"]["code"] == "policy_unavailable"
    assert "try again" in error["data"]["sentence"]
    assert (await ModelOutput.objects.aget(turn__consultation=consultation)).text == engine.requests[0].text
    await socket.say(do="retry")
    assert (await socket.until("done", "error"))["type"] == "done"
    await socket.close()


async def test_a_refusal_is_told_to_the_asking_socket_alone(
    host: Host, engine: FakeEngine, open_socket: Opener
) -> None:
    consultation = await start(host)
    socket = await (await open_socket(consultation)).open()
    await socket.until("done", "error")
    await socket.say(do="retry")
    refused = await socket.until("error")
    assert refused["data"]["code"] == "refused"
    stored: list[dict[str, Any]] = await sync_to_async(stored_events)(consultation)
    assert not [event for event in stored if event["type"] == "error"]
    await socket.close()


async def test_a_lost_lease_ends_the_old_producer_and_sockets_follow_the_new(
    host: Host, engine: FakeEngine, open_socket: Opener
) -> None:
    """What a second process does when this one was frozen for longer than its lease."""
    engine.rate = 20
    consultation = await start(host)
    socket = await (await open_socket(consultation)).open()
    await waiting_for_words(engine)
    engine.rate = 400
    async with Host(serves_sockets=False) as other:
        recovered = 0
        while not recovered:  # the first producer may renew in between
            await Turn.objects.filter(consultation=consultation).aupdate(lease_expires_at="2020-01-01T00:00Z")
            recovered = await other.recover()
        await other.drain()
        done = await socket.until("done")
    assert done["attempt"] == 2
    stored = await sync_to_async(stored_events)(consultation)
    assert [event["seq"] for event in stored] == list(range(1, len(stored) + 1))
    reader = Reader(socket.events)
    assert reader.provisional[(1, 2)] == Reader(stored).provisional[(1, 2)]
    assert reader.finals[1] == engine.requests[1].text
    await socket.close()


async def test_an_order_for_what_is_known_is_neither_shown_nor_kept(
    host: Host, engine: FakeEngine, open_socket: Opener
) -> None:
    first, other = (
        f'{{"action":"examine","target":"{name}","reason":"r","differential":[]}}' for name in ("D-dimer", "ECG")
    )
    engine.script.extend([first, first, other])
    consultation = await start(host)
    socket = await (await open_socket(consultation)).open()
    await socket.until("done")
    await socket.say(do="order")
    await socket.until("done")
    stored = await sync_to_async(stored_events)(consultation)
    turns = [turn async for turn in Turn.objects.filter(consultation=consultation, role="agent").order_by("number")]
    assert [turn.action["target"] for turn in turns] == ["D-dimer", "ECG"]
    assert turns[-1].attempt == 1, "nobody saw the answer that was dropped"
    assert [turn.dropped for turn in turns] == [[], ["repeats"]]
    assert "1 answer that asked for what it had asked for before" in await sync_to_async(turn_html)(turns[-1])
    assert turns[-1].policy["sampling"]["resample"] == RESAMPLE
    assert Reader(stored).finals[turns[-1].number] == other
    assert "D-dimer" not in str(Reader(socket.events).provisional[(turns[-1].number, 1)])
    assert [said.body["temperature"] > 0 for said in engine.requests] == [False, False, True]
    await socket.close()


async def strange(host: Host, engine: FakeEngine, *said: str) -> Consultation:
    await ModelVersion.objects.aupdate(codec="cards")
    engine.script.extend(said)
    told = {"complaint": "Blocked ear", "history": {"hpi": "The ear feels full after swimming."}}
    user, case = await sync_to_async(people_and_case)(**told)
    return await host.threads.run(consultations.start, case=case, by=user)


GUESS = "diagnose: Migraine | it fits | Migraine 90 L"
FORCED = " Migraine | the complaint is not covered | Migraine 87 L"


async def test_what_no_card_fits_is_deferred_and_names_nothing(
    host: Host, engine: FakeEngine, open_socket: Opener
) -> None:
    consultation = await strange(host, engine, GUESS, FORCED)
    socket = await (await open_socket(consultation)).open()
    done = await socket.until("done", "error")
    assert done["data"]["action"] == "defer", done
    turn = await Turn.objects.aget(consultation=consultation, role="agent")
    assert (turn.action["target"], turn.action["differential"], turn.dropped) == (DECIDE, [], ["unfit"])
    stored = Reader(await sync_to_async(stored_events)(consultation))
    assert stored.finals[turn.number] == f"defer:{FORCED}", "what was said is kept byte for byte"
    for reader in (stored, Reader(socket.events)):
        assert "Migraine" not in str(reader.provisional)
        assert reader.provisional[(turn.number, 1)]["reason"] == "the complaint is not covered"
    shown = await sync_to_async(turn_html)(turn)
    assert "so a rule made it defer" in shown
    assert "Migraine" not in shown
    await socket.close()


async def test_a_repaired_deferral_still_says_that_a_rule_made_it(
    host: Host, engine: FakeEngine, open_socket: Opener
) -> None:
    consultation = await strange(host, engine, GUESS, " not one line", f"defer:{FORCED}")
    socket = await (await open_socket(consultation)).open()
    await socket.until("done", "error")
    turn = await Turn.objects.aget(consultation=consultation, role="agent")
    assert (turn.attempt, turn.dropped, turn.action["differential"]) == (2, ["unfit"], [])
    await socket.close()
