"""Consultations of the demo loop: held over HTTP and the socket, as a browser holds them, on virtual patients."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp

from clinic.local.clinician import Clinician, Heard, hear_turn
from clinic.local.problem import LocalProblem
from clinic.models import Case, CaseKind, Consultation, LedgerEntry, Turn
from clinic.services import consultations, demo, ledger
from training.demo.people import People

STEPS = 16
"""More steps than the agent's turn cap asks for."""
AT_ONCE = 4
OPEN_STILL = "Scripted: a virtual patient, nothing is left undone."
OVER = (
    Consultation.Status.DIAGNOSED,
    Consultation.Status.DEFERRED,
    Consultation.Status.FAILED,
    Consultation.Status.CLOSED,
)


def practice_cases(people: People, many: int) -> list[Case]:
    """Virtual patients of the split that may be learned from, in the order of the bank."""
    cases = Case.objects.filter(site=people.site, kind=CaseKind.VIRTUAL, key__startswith="virtual:train:")
    found = list(cases.filter(deleted_at=None).order_by("key")[:many])
    if len(found) < many:
        raise LocalProblem(f"The case bank has {len(found)} patients to practise on, not {many}; has the worker run?")
    return found


def hold_all(
    address: str, people: People, cases: Sequence[Case], on_done: Callable[[], None] = lambda: None
) -> list[Consultation]:
    """One consultation per case, closed with the patient's true diagnosis; in the order of the cases."""
    ids = asyncio.run(_hold_all(address, [str(case.pk) for case in cases], on_done))
    held = {str(row.pk): row for row in Consultation.objects.select_related("case").filter(pk__in=ids)}
    rows = [held[key] for key in ids]
    for row in rows:
        close(row, people)
    return rows


def close(consultation: Consultation, people: People) -> None:
    """By the clinician who held it, with what the virtual patient really has."""
    entries: list[LedgerEntry] = ledger.open_entries(consultation)
    consultations.close(
        consultation=consultation,
        by=people.clinician,
        diagnosis=consultation.case.answer or "Not known",
        note="Scripted by the demo loop.",
        reasons={entry.pk: OPEN_STILL for entry in entries},
    )


async def _hold_all(address: str, cases: Sequence[str], on_done: Callable[[], None]) -> list[str]:
    gate = asyncio.Semaphore(AT_ONCE)
    # Cookies of a numeric address are refused by default.
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        clinician = Clinician(session, address)
        await clinician.sign_in(demo.CLINICIAN, demo.PASSWORD)

        async def one(case: str) -> str:
            async with gate:
                key = await clinician.open_consultation(case)
                await _hold(clinician, key)
                on_done()
                return key

        return list(await asyncio.gather(*(one(case) for case in cases)))


async def _hold(clinician: Clinician, key: str) -> None:
    """Take what the agent recommends until it ends; an answer that cannot be read ends it too."""
    heard = Heard()
    async with clinician.socket(key) as socket:
        await socket.send_json({"since": 0})
        for _ in range(STEPS):
            try:
                await hear_turn(socket, heard)
            except LocalProblem:
                if (await Consultation.objects.aget(pk=key)).status != Consultation.Status.FAILED:
                    raise
                return
            if (await Consultation.objects.aget(pk=key)).status in OVER:
                return
            await socket.send_json({"do": "order" if await _ordered(key) else "answer"})
    raise LocalProblem(f"Consultation {key} had not ended after {STEPS} steps.")


async def _ordered(key: str) -> bool:
    turn = await Turn.objects.filter(consultation_id=key, role=Turn.Role.AGENT).alatest("number")
    action: dict[str, Any] = turn.action or {}
    return action.get("action") == "examine"


def policies_of(consultation: Consultation) -> list[dict[str, Any]]:
    """The identity that is stored on each of the agent's turns."""
    turns = consultation.turns.filter(role=Turn.Role.AGENT).order_by("number")
    return [turn.policy for turn in turns if turn.policy]
