"""Promotions and rollbacks under 64 streams: none fails, and no answer comes from another version than it says."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async

from agents.codecs import StructuredCodec
from agents.types import Action, ActionKind, Hypothesis
from clinic.models import Consultation, ConsultationStatus, ModelOutput, Turn, TurnStatus
from clinic.services import agent_processes, consultations
from clinic.streaming import host as hosts
from clinic.streaming.host import Host
from tests.clinic.factories import make_case, make_user
from tests.doubles.fleet import Fleet
from tests.doubles.fleet import until as eventually
from tests.training.serving.factories import admin, clear, make_base, make_candidate, make_serving
from training import serving

STREAMS = 64
FEW, MANY = 2, 50
PATIENCE = 900.0
"""The next candidate's server waits until nobody asks the one before: on a slow machine that takes its time."""


def says(version: str) -> str:
    """An answer that names who gave it."""
    action = Action(ActionKind.EXAMINE, "C-reactive protein", f"Said by {version}.", (Hypothesis("Pneumonia", 0.6),))
    return StructuredCodec().encode(action)


class Speaking(Fleet):
    """Every engine gives the answer that names its version, for ever."""

    def _make(self, home: Any, keeper: Any, version: str, weights: Any) -> Any:
        server = super()._make(home, keeper, version, weights)
        engine = server.engine

        def tokens(body: dict, fault: Any, number: int) -> Any:
            if "messages" in body and body.get("max_tokens") != 1:
                engine.script.append(says(version))
            return type(engine)._tokens(engine, body, fault, number)

        engine._tokens = tokens
        return server


@pytest.fixture
def stage(transactional_db: None, home: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The base serves; two cleared candidates wait."""
    from clinic.local import agent_servers
    from training.serving import bringing

    monkeypatch.setattr(agent_servers, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(bringing, "LOOK_SECONDS", 0.05)
    settings.AGENT_LEASE_SECONDS = 60.0
    with Speaking(home, rate=60) as fleet:
        settings.EMBEDDED_AGENTS = str(fleet.folder)
        base = make_base()
        first = make_serving()
        agent_processes.tell_supervisor()
        serving.bring_up(first)
        yield fleet, [clear(make_candidate(base)), clear(make_candidate(base))], admin()


@pytest_asyncio.fixture
async def host(stage: Any) -> AsyncIterator[Host]:
    yield hosts.current()
    await hosts.close_current()


async def stream(host: Host, user: Any, case: Any, until: asyncio.Event, done: Counter) -> None:
    """One clinician: consultations of three turns each, one after the other."""
    while not until.is_set():
        held = await host.threads.run(consultations.start, case=case, by=user)
        for _ in range(3):
            status = await settled(held)
            if status != ConsultationStatus.WAITING:
                return
            done["turns"] += 1
            held = await Consultation.objects.aget(pk=held.pk)
            await host.threads.run(consultations.order, consultation=held, by=user)
        await settled(held)


async def settled(held: Consultation) -> str:
    while True:
        status = (await Consultation.objects.aget(pk=held.pk)).status
        if status != ConsultationStatus.THINKING:
            return status
        await asyncio.sleep(0.2)


def people(many: int) -> list[Any]:
    case = make_case()
    return [(make_user(), case) for _ in range(many)]


def decide(times: int, candidates: list[Any], by: Any) -> list[float]:
    """Promote, let consultations begin under it, and roll back, in turn; seconds of each rollback."""
    seconds = []
    for n in range(times):
        version = candidates[n % len(candidates)]
        begun = Consultation.objects.filter(model_version=version)
        before = begun.count()
        serving.promote(version=version, by=by, patience=PATIENCE)
        eventually(lambda: begun.count() > before, seconds=PATIENCE)  # noqa: B023 - called at once
        seconds.append(serving.roll_back(by=by, reason="Drill.").seconds or 0.0)
        time.sleep(0.5)
    return seconds


def mixed() -> list[int]:
    """Turns whose words were another version's than their identity or their consultation names."""
    found = []
    for turn in Turn.objects.filter(role="agent", status=TurnStatus.COMPLETE).select_related(
        "consultation__model_version"
    ):
        said = ModelOutput.objects.get(turn=turn, complete=True).text
        pinned = turn.consultation.model_version.version
        if turn.policy["version"] != pinned or f"Said by {pinned}." not in said:
            found.append(turn.pk)
    return found


@pytest.mark.drill
async def test_no_stream_fails_and_no_turn_is_mixed(stage: Any, host: Host, request: pytest.FixtureRequest) -> None:
    fleet, candidates, by = stage
    until, done = asyncio.Event(), Counter()
    everybody = await sync_to_async(people)(STREAMS)
    streams = [asyncio.create_task(stream(host, user, case, until, done)) for user, case in everybody]
    await asyncio.sleep(2)
    times = MANY if request.config.getoption("--drills") else FEW
    seconds = await asyncio.to_thread(decide, times, candidates, by)
    until.set()
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*streams)
    failed = await Turn.objects.filter(role="agent").exclude(status=TurnStatus.COMPLETE).acount()
    assert failed == 0
    assert await sync_to_async(mixed)() == []
    assert fleet.cut == [], "no server was stopped while it answered"
    assert max(seconds) < 60
    assert done["turns"] >= STREAMS
    print(f"{done['turns']} turns, {times} promotions, rollbacks {max(seconds):.2f} s at most, starts {fleet.starts}")
