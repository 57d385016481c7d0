"""The page to play with the world model: a virtual patient, an examination, k draws, and the truth they should meet."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import orjson
from django.contrib import messages
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from agents import examinations
from agents.errors import WorldError, WorldUnavailable
from agents.knowledge.catalogue import Examination
from agents.world.access import CredentialedText
from agents.world.language_values import worded
from agents.world.virtual import open_case
from clinic import world_plots
from clinic.local import world_state
from clinic.models import Case, CaseKind, WorldDraw
from clinic.room import examination_names
from clinic.services import language_world, virtual_clinic
from clinic.services.errors import Refused
from clinic.views.access import SignedIn
from clinic.world_truth import truths

logger = logging.getLogger(__name__)

COUNTS = (4, 8, 16)
MOST_EXAMINATIONS = 4
CHOICE = "virtual:test:"


@dataclass(frozen=True, slots=True)
class Slot:
    """One draw, there or to come."""

    number: int
    draw: WorldDraw | None
    text: str = ""


@require_safe
def page(request: SignedIn) -> HttpResponse:
    case, wanted, count = _case(request), request.GET.get("examination", "")[:200], _count(request.GET.get("count"))
    found, unknown = _examinations(wanted)
    context = {
        "cases": _cases(request).filter(key__startswith=CHOICE).order_by("key"),
        "case": case,
        "patient": open_case(case.key).patient if case else None,
        "wanted": wanted,
        "unknown": unknown,
        "count": count,
        "counts": COUNTS,
        "names": examination_names(),
        **_state(),
    }
    if case and context["version"]:
        context["panels"] = [_panel(case, exam, count) for exam in found]
    return render(request, "clinic/world_model.html", context)


@require_POST
def draw(request: SignedIn) -> HttpResponse:
    """One draw: for htmx its slot and the drawing beside it, else back to the page."""
    case, exam, number = _asked(request)
    count = _count(request.POST.get("count"))
    refused = ""
    try:
        language_world.draw(case=case, examination=exam.id, repeat=number, by=request.user)
    except Refused as refusal:
        refused = str(refusal)
    if not request.htmx:
        if refused:
            messages.error(request, refused)
        query = urlencode({"case": str(case.pk), "examination": exam.name, "count": str(count)})
        return redirect(f"{reverse('virtual_world')}?{query}")
    panel = _panel(case, exam, count)
    slot = panel["slots"][number]
    return render(request, "clinic/world/drawn.html", {"panel": panel, "slot": slot, "case": case, "refused": refused})


@require_POST
def stream(request: SignedIn) -> StreamingHttpResponse:
    """One draw while it is written: a line of JSON for each piece, with the number of its try. The page shows it as
    provisional, then asks for the draw itself."""
    case, exam, number = _asked(request)
    pieces = language_world.draw_aloud(case=case, examination=exam.id, repeat=number)
    response = StreamingHttpResponse(_lines(pieces), content_type="application/x-ndjson")
    response["X-Accel-Buffering"] = "no"
    return response


async def _lines(pieces: AsyncGenerator[tuple[int, str]]) -> AsyncGenerator[bytes]:
    try:
        async with aclosing(pieces):
            async for number, text in pieces:
                yield orjson.dumps({"try": number, "text": text}) + b"\n"
    except (Refused, WorldError, WorldUnavailable, CredentialedText) as error:
        # The page asks for the draw itself next, which is refused for the same reason, with a sentence.
        logger.info("a draw was not written to its end: %s", type(error).__name__)


def _asked(request: SignedIn) -> tuple[Case, Examination, int]:
    case, count = _case(request), _count(request.POST.get("count"))
    exam = examinations.find(request.POST.get("exam", ""))
    number = request.POST.get("number", "")
    if case is None or exam is None or not number.isdigit() or int(number) >= count:
        raise Http404("There is no such draw.")
    return case, exam, int(number)


@require_safe
def status(request: SignedIn) -> HttpResponse:
    """How far the world model is; the page is fetched anew once it answers."""
    context = _state()
    response = render(request, "clinic/world/status.html", context)
    if context["state"].state in (world_state.READY, world_state.FAILED):
        response["HX-Refresh"] = "true"
    return response


def _state() -> dict[str, Any]:
    state = language_world.wake()
    try:
        return {"state": state, "version": language_world.version(), "refusal": ""}
    except Refused as refusal:
        return {"state": state, "version": None, "refusal": str(refusal)}


def _cases(request: SignedIn) -> Any:
    """Virtual patients of the present knowledge that this person may see; never a real one."""
    current = f"@{virtual_clinic.knowledge_version()}"
    cases = Case.objects.visible_to(request.user).filter(kind=CaseKind.VIRTUAL, key__startswith="virtual:")
    return cases.filter(key__endswith=current)


def _case(request: SignedIn) -> Case | None:
    named = (request.POST if request.method == "POST" else request.GET).get("case", "")
    if not named:
        return None
    found = _cases(request).filter(pk=named).first() if _is_id(named) else None
    if found is None:
        raise Http404("There is no such virtual patient, or it is not open to you.")
    return found


def _is_id(text: str) -> bool:
    return len(text) == 36 and all(character in "0123456789abcdef-" for character in text)


def _count(text: str | None) -> int:
    return int(text) if text and text.isdigit() and int(text) in COUNTS else COUNTS[1]


def _examinations(wanted: str) -> tuple[list[Examination], bool]:
    """Those of the catalogue that were asked for, and whether none was understood."""
    hits = [examinations.find(hit.exam) for hit in examinations.match(wanted)] if wanted.strip() else []
    found = [exam for exam in hits if exam][:MOST_EXAMINATIONS]
    return found, bool(wanted.strip()) and not found


def _panel(case: Case, exam: Examination, count: int) -> dict[str, Any]:
    """One examination: its draws, what is still to come, and the drawing."""
    patient = open_case(case.key)
    if not exam.possible_for(patient.patient.age, patient.patient.sex):
        return {"exam": exam, "impossible": True}
    drawn = language_world.drawn(case=case, examination=exam.id, count=count)
    slots = [Slot(n, drawn.get(n), _words(drawn.get(n), case)) for n in range(count)]
    refused = sum(not row.accepted for row in drawn.values())
    return {
        "exam": exam,
        "slots": slots,
        "rows": world_plots.rows(truths(patient, exam.id), drawn),
        "done": len(drawn),
        "refused": refused,
        "count": count,
        "again": sum(len(row.tries) - 1 for row in drawn.values()),
    }


def _words(row: WorldDraw | None, case: Case) -> str:
    return worded(row.examination, row.text, age=case.age_years, sex=case.sex)[0] if row else ""
