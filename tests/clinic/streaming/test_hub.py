"""A socket that cannot keep up is detached, and never holds up the others."""

from __future__ import annotations

import asyncio
import uuid

from clinic.services.agent_turns import Lease
from clinic.streaming.hub import LIMIT, Feed, Hub
from clinic.streaming.stream import Stream

CONSULTATION = uuid.uuid4()


def lease(**fields: int) -> Lease:
    return Lease(turn_id=1, consultation=CONSULTATION, number=1, attempt=1, owner=uuid.uuid4(), next_seq=5, **fields)


def feed() -> Feed:
    return Feed(user_id=1, session="key")


def test_a_full_feed_is_detached_and_stays_small() -> None:
    hub, slow, quick = Hub(), feed(), feed()
    stream = Stream(lease(), hub)
    hub.attach(CONSULTATION, slow)
    hub.attach(CONSULTATION, quick)
    heard = 0
    for _ in range(3 * LIMIT):
        stream.hear("x")
        stream.say("reason", "x")
        heard += len(quick.take())
    assert slow.behind
    assert slow.take() == []
    assert heard == 3 * LIMIT
    assert not quick.behind


def test_who_joins_gets_what_is_not_stored_yet() -> None:
    hub, late = Hub(), feed()
    stream = Stream(lease(), hub)
    for text in ("Chest", " pain", " since"):
        stream.hear(text)
        stream.say("reason", text)
    hub.attach(CONSULTATION, late)
    [(seq, text, whole)] = late.take()
    assert (seq, whole) == (5, False)
    assert b'"Chest pain since"' in text


def test_a_batch_is_closed_by_its_commit_and_by_another_field() -> None:
    stream = Stream(lease(), Hub())
    for name, text in (("action", "ask"), ("target", "Since"), ("target", " when?")):
        stream.hear(text)
        stream.say(name, text)
    record, batches, raw = stream.begin_commit()
    stream.hear(" Really")
    stream.say("target", " Really")
    assert [(event["seq"], event["data"]) for event in record["events"]] == [
        (5, {"field": "action", "text": "ask", "at": 0}),
        (6, {"field": "target", "text": "Since when?", "at": 0}),
    ]
    stream.end_commit(batches, raw)
    record, _, _ = stream.begin_commit()
    assert record["events"] == [{"seq": 7, "type": "token", "data": {"field": "target", "text": " Really", "at": 11}}]
    assert record["raw_at"] == len("askSince when?")


def test_a_commit_that_failed_is_repeated_under_the_same_numbers() -> None:
    stream = Stream(lease(), Hub())
    stream.hear("a")
    stream.say("reason", "a")
    first, _, _ = stream.begin_commit()
    stream.hear("b")
    stream.say("reason", "b")
    second, _, _ = stream.begin_commit()
    assert second["events"][0] == first["events"][0]
    assert [event["seq"] for event in second["events"]] == [5, 6]
    assert (second["raw_at"], second["raw"]) == (0, "ab")


async def test_a_waiting_socket_is_woken_by_text_notice_and_close() -> None:
    for wake in (lambda f: f.put((1, b"x", False)), lambda f: f.notice(3), lambda f: f.close(4401)):
        one = feed()
        waiting = asyncio.create_task(one.wait())
        await asyncio.sleep(0)
        wake(one)
        async with asyncio.timeout(1):
            await waiting
