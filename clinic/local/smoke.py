"""`run.py smoke`: one consultation held as a clinician holds it, with the real model, on a stack of its own.

The last line on stdout is one JSON object (contracts.md); progress goes to stderr.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import statistics
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar
from uuid import UUID

import aiohttp
import django

from clinic.local.checks import temporary_home
from clinic.local.clinician import Clinician, Heard, hear_turn
from clinic.local.home import Home, Lock
from clinic.local.ports import HOST, listen
from clinic.local.problem import LocalProblem, say
from clinic.local.stack import TICK_SECONDS, Stack
from clinic.local.up import wait_for_web

STEPS = 40
"""More steps of a clinician than the agent's turn cap can ask for."""
CASES = 3
"""The untrained model may defer; then the next case is tried, up to this many."""
T = TypeVar("T")


def smoke() -> int:
    os.environ.setdefault("ROUNDS_WEIGHTS", str(Home.default().weights))
    try:
        report = on_own_stack()
    except (LocalProblem, aiohttp.ClientError, TimeoutError) as problem:
        sentence = str(problem) or "The consultation took too long."
        say(sentence)
        report = {"ok": False, "error": sentence}
    print(json.dumps(report), flush=True)
    return 0 if report["ok"] else 1


def on_own_stack() -> dict[str, Any]:
    with temporary_home() as home, kept_logs(home):
        lock = Lock(home.run / "owner.lock")
        lock.take()
        with listen(0, HOST) as listener, Stack(home, lock) as stack:
            address = f"http://{HOST}:{listener.getsockname()[1]}/"
            stack.start_stores()
            stack.start_model()
            stack.prepare()
            stack.start_web(listener)
            stack.start_worker()
            wait_for_web(stack, address)
            if stack.model:
                stack.model.wait_until_ready(stack.pause)
            os.environ.update(stack.env)
            django.setup()
            consultation, heard = asyncio.run(while_ticking(stack, consult(address)))
            return report_of(consultation, heard)


@contextmanager
def kept_logs(home: Home) -> Iterator[None]:
    """The temporary folder is gone afterwards; of a failure the logs stay."""
    try:
        yield
    except (LocalProblem, aiohttp.ClientError, TimeoutError):
        kept = Home.default().log / "smoke"
        shutil.copytree(home.log, kept, dirs_exist_ok=True)
        say(f"the logs are kept in {kept}")
        raise


async def while_ticking(stack: Stack, work: Coroutine[Any, Any, T]) -> T:
    """Do the work, and meanwhile keep the stack up."""

    async def tick() -> None:
        while True:
            stack.tick()
            await asyncio.sleep(TICK_SECONDS)

    ticking = asyncio.create_task(tick())
    try:
        return await work
    finally:
        ticking.cancel()
        with suppress(asyncio.CancelledError):
            await ticking


async def consult(address: str) -> tuple[str, Heard]:
    """Sign in as the demo clinician and hold consultations until one ends in a diagnosis."""
    # Cookies of a numeric address are refused by default.
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        clinician = Clinician(session, address)
        await clinician.sign_in(*demo_login())
        for case in (await clinician.cases())[:CASES]:
            consultation = await clinician.open_consultation(case)
            say(f"consultation {consultation} on case {case}")
            heard = await hold(clinician, consultation)
            if heard is not None:
                return consultation, heard
            say("the agent deferred; trying the next case")
    raise LocalProblem("No consultation on a demo case ended in a diagnosis.")


async def hold(clinician: Clinician, consultation: str) -> Heard | None:
    """Take what the agent recommends until it ends; what was heard, or None where it deferred."""
    from clinic.models import Consultation, Turn

    heard = Heard()
    async with clinician.socket(consultation) as socket:
        await socket.send_json({"since": 0})
        for _ in range(STEPS):
            await hear_turn(socket, heard)
            status = (await Consultation.objects.aget(pk=consultation)).status
            if status in (Consultation.Status.DIAGNOSED, Consultation.Status.DEFERRED):
                return heard if status == Consultation.Status.DIAGNOSED else None
            turn = await Turn.objects.filter(consultation_id=UUID(consultation), role=Turn.Role.AGENT).alatest("number")
            action = turn.action or {}
            say(f"turn {turn.number}: {action.get('action')} {action.get('target')}")
            await socket.send_json({"do": "order" if action.get("action") == "examine" else "answer"})
    raise LocalProblem(f"The consultation had not ended after {STEPS} steps.")


def demo_login() -> tuple[str, str]:
    from clinic.services.demo import CLINICIAN, PASSWORD

    return CLINICIAN, PASSWORD


def report_of(consultation: str, heard: Heard) -> dict[str, Any]:
    """The numbers, and whether every agent turn came over the socket exactly as the model said it."""
    from clinic.models import Consultation, Turn

    held = Consultation.objects.select_related("case").get(pk=consultation)
    turns = list(held.turns.filter(role=Turn.Role.AGENT).order_by("number"))
    said = {turn.number: turn.outputs.get(attempt=turn.attempt).text for turn in turns}
    same = all(heard.turns.get(number) == text for number, text in said.items())
    last = turns[-1].action or {}
    return {
        "ok": same and last.get("action") == "diagnose",
        "case": held.case.key,
        "turns": len(turns),
        "examinations": held.turns.filter(role=Turn.Role.ENVIRONMENT).exclude(request="").count(),
        "diagnosis": last.get("target"),
        "ttft_s": round(statistics.median(heard.first_words), 3),
        "tokens_per_s": round(tokens_per_second(turns), 1),
        "policy": turns[-1].policy,
    }


def tokens_per_second(turns: list[Any]) -> float:
    """Decoding speed over all turns: tokens after the first, by the time after the first."""
    timed = [turn for turn in turns if turn.tokens and turn.finished_at and turn.first_token_ms is not None]
    seconds = sum((t.finished_at - t.started_at).total_seconds() - t.first_token_ms / 1000 for t in timed)
    return sum(turn.tokens - 1 for turn in timed) / seconds if seconds > 0 else 0.0
