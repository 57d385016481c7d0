"""Web processes die, PostgreSQL restarts, sockets break: what the model said arrives whole, once, byte for byte.

A second, careless client that ignores numbers and offsets follows the same consultations. It must show doubled
text: if the drill did not disturb enough for that, it proves nothing.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.drills.reader import CarelessReader, Reader
from tests.drills.scene import Scene, scene

pytestmark = [pytest.mark.drill, pytest.mark.slow]
RATE = 60.0
AT_ONCE = 6
EVENTS = "SELECT seq, type, turn, attempt, data FROM clinic_event WHERE consultation_id = %s ORDER BY seq"
OUTPUTS = """SELECT t.number, o.attempt, o.text, o.complete, t.status FROM clinic_modeloutput o
JOIN clinic_turn t ON t.id = o.turn_id WHERE t.consultation_id = %s ORDER BY t.number, o.attempt"""


async def test_kills_and_disconnects_lose_and_double_nothing(
    tmp_path: Path, drill_count: Callable[[int, int], int]
) -> None:
    count, kills = drill_count(6, 60), drill_count(4, 40)
    async with scene(tmp_path, webs=2, consultations=count, seed=7, rate=RATE) as stage:
        readers, careless = await disturbed(stage, kills=kills, restarts=0)
        assert (stage.kills, stage.restarts) == (kills, 0)
        whole = [check(stage, consultation, reader) for consultation, reader in readers.items()]
        assert any(attempts > 1 for attempts in whole), "no turn was interrupted: the drill disturbed too little"
        assert any(not is_clean(stage, consultation, reader) for consultation, reader in careless.items()), (
            "a client that ignores the numbers must show doubled text"
        )


async def test_a_restarted_postgres_loses_and_doubles_nothing(
    tmp_path: Path, drill_count: Callable[[int, int], int]
) -> None:
    count, restarts = drill_count(4, 30), drill_count(2, 8)
    async with scene(tmp_path, webs=1, consultations=count, seed=11, rate=RATE) as stage:
        readers, _ = await disturbed(stage, kills=0, restarts=restarts)
        assert stage.restarts == restarts
        for consultation, reader in readers.items():
            check(stage, consultation, reader)


async def disturbed(stage: Scene, *, kills: int, restarts: int) -> tuple[dict[str, Reader], dict[str, CarelessReader]]:
    """One agent turn in every consultation, followed by two clients, while things are killed all the time."""
    readers = {consultation: Reader() for consultation in stage.consultations}
    careless = {consultation: CarelessReader() for consultation in stage.consultations}
    gate = asyncio.Semaphore(AT_ONCE)

    async def hold(consultation: str) -> None:
        async with gate:
            await stage.ask(consultation)
            await asyncio.gather(
                stage.follow(consultation, readers[consultation], lifetime=1.5),
                stage.follow(consultation, careless[consultation], lifetime=1.5),
            )

    async def disturb() -> None:
        if kills:  # on the slowest machine too, turns are interrupted: nobody survives the first round
            await stage.until_speaking()
            for web in stage.webs:
                await stage.kill_web(web)
        for number in range(stage.kills, kills + restarts):
            await asyncio.sleep(stage.random.uniform(0.5, 2.5))
            if number < kills:
                await stage.kill_web()
            else:
                await stage.restart_postgres(signal.SIGINT if number % 2 else signal.SIGQUIT)

    async with asyncio.timeout(540):
        async with asyncio.TaskGroup() as group:
            group.create_task(disturb())
            for consultation in stage.consultations:
                group.create_task(hold(consultation))
        await stage.until_postgres()  # the last restart may come after the last word
    return readers, careless


def rows(stage: Scene, sql: str, consultation: str) -> list[Any]:
    with psycopg.connect(stage.stack.env["DATABASE_URL"]) as connection:
        return connection.execute(sql, [consultation]).fetchall()


def stored(stage: Scene, consultation: str) -> list[dict[str, Any]]:
    keys = ("seq", "type", "turn", "attempt", "data")
    return [dict(zip(keys, row, strict=True)) for row in rows(stage, EVENTS, consultation)]


def check(stage: Scene, consultation: str, reader: Reader) -> int:
    """The model's log, the database and the client agree; the number of attempts it took."""
    events = stored(stage, consultation)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1)), "numbers without gaps"
    assert [event["type"] for event in events if event["type"] in ("done", "error")] == ["done"]
    outputs = rows(stage, OUTPUTS, consultation)
    number, attempt, text, complete, status = outputs[-1]
    assert (complete, status) == (True, "complete")
    assert not any(output[3] for output in outputs[:-1]), "an interrupted attempt is kept and marked as a part"
    finished = {said.text.encode() for said in stage.engine.requests if said.finished}
    assert text.encode() in finished, "the database has what the model said"
    assert reader.finals == {number: text}, "the client has it too"
    assert is_clean(stage, consultation, reader), "nothing provisional was lost or doubled on the way"
    said = {said.text for said in stage.engine.requests}
    for _, _, part, _, _ in outputs[:-1]:
        assert any(text.startswith(part) for text in said), "a part is the beginning of something the model said"
    return int(attempt)


def is_clean(stage: Scene, consultation: str, reader: Reader) -> bool:
    """Whether the client's provisional text of the attempt that counted is what the stored events make."""
    events = stored(stage, consultation)
    last = max((event["turn"], event["attempt"]) for event in events)
    return reader.provisional.get(last) == Reader(events).provisional[last]
