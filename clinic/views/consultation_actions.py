"""What the clinician does in the room: each a POST that works with and without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from clinic.models import Certainty, Consultation, StaleStatus
from clinic.result_rows import read_rows, rows_for, values_of, words_of
from clinic.services import consultations, decisions, outcomes, pauses, undo
from clinic.services.errors import SENTENCES, Refused
from clinic.views.access import SignedIn
from clinic.views.consultations import panel, room_page, visible_consultation

Verb = Callable[[SignedIn, Consultation], Any]
SEVERAL = re.compile(r"[,;\n]")


def act(request: SignedIn, consultation_id: UUID, verb: Verb) -> HttpResponse:
    """One service call; a refusal becomes a sentence above the page, which still holds all that was typed."""
    found = visible_consultation(request, consultation_id)
    try:
        verb(request, found)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return room_page(request, consultation_id, refused=True)
    except StaleStatus:
        messages.warning(request, SENTENCES["stale"])
    return panel(request, consultation_id) if request.htmx else redirect("consultation", consultation_id)


@require_POST
def consultation_order(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    """One field may name several, between commas."""
    named = [part[:300] for text in request.POST.getlist("examination") for part in SEVERAL.split(text)]
    return act(
        request,
        consultation_id,
        lambda r, c: consultations.order_many(consultation=c, by=r.user, examinations=named),
    )


@require_POST
def consultation_answer(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    text = request.POST.get("text", "")
    return act(request, consultation_id, lambda r, c: consultations.answer(consultation=c, by=r.user, text=text))


@require_POST
def consultation_ask(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    words = request.POST.get("question", "")[:1000]
    return act(request, consultation_id, lambda r, c: consultations.ask(consultation=c, by=r.user, question=words))


@require_POST
def consultation_call(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    return act(request, consultation_id, lambda r, c: consultations.call_agent(consultation=c, by=r.user))


@require_POST
def consultation_result(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    def enter(request: SignedIn, found: Consultation) -> None:
        examination, report = request.POST.get("examination", "")[:200], request.POST.get("text", "")[:8000]
        values = values_of(read_rows(request.POST), examination, found.case)
        text = "\n".join(filter(None, [words_of(values), report.strip()]))
        if examination.strip() and not text:
            raise Refused(SENTENCES["result_empty"])
        consultations.enter_result(
            consultation=found, by=request.user, examination=examination, text=text, values=values
        )

    return act(request, consultation_id, enter)


@require_GET
def consultation_result_rows(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    """The rows of another examination than the recommended one, as soon as it is named."""
    found = visible_consultation(request, consultation_id)
    rows = rows_for(request.GET.get("examination", "")[:200], found.case, request.user)
    return render(request, "clinic/room/result_rows.html", {"rows": rows})


@require_POST
def consultation_say(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    text = request.POST.get("text", "")
    return act(request, consultation_id, lambda r, c: consultations.say(consultation=c, by=r.user, text=text))


@require_POST
def consultation_decline(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    code, words = request.POST.get("reason_code", ""), request.POST.get("reason", "")[:1000]
    return act(
        request,
        consultation_id,
        lambda r, c: decisions.decline(consultation=c, by=r.user, reason_code=code, reason=words),
    )


@require_POST
def consultation_differential(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    def correct(request: SignedIn, found: Consultation) -> None:
        decisions.correct_differential(consultation=found, by=request.user, rows=hypotheses(request.POST))

    return act(request, consultation_id, correct)


def hypotheses(data: QueryDict) -> list[dict[str, Any]]:
    """The lines of a differential as posted: diagnosis, percent, group."""
    columns = (data.getlist(name) for name in ("diagnosis", "percent", "group"))
    return [
        {"diagnosis": name, "probability": fraction(percent), "group": group if group in GROUPS else "likely"}
        for name, percent, group in zip(*columns, strict=False)
    ]


GROUPS = ("likely", "cant_miss", "other")


def fraction(percent: str) -> float | None:
    """0..1 of what was typed as a percent; None where nothing was."""
    if not percent.strip():
        return None
    try:
        return float(percent.replace("%", "").replace(",", ".")) / 100
    except ValueError:
        raise Refused(SENTENCES["percent"]) from None


@require_POST
def consultation_comment(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    text, turn = request.POST.get("comment", "")[:4000], request.POST.get("turn", "")
    about = int(turn) if turn.isdecimal() and len(turn) < 7 else None

    def remark(request: SignedIn, found: Consultation) -> None:
        decisions.comment(consultation=found, by=request.user, text=text, turn=about)
        messages.success(request, "Your comment is kept. The agent was not told.")

    return act(request, consultation_id, remark)


@require_POST
def consultation_undo(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    seen = request.POST.get("step", "")
    step = int(seen) if seen.isdecimal() and len(seen) < 7 else None
    return act(request, consultation_id, lambda r, c: undo.undo(consultation=c, by=r.user, seen=step))


@require_POST
def consultation_stop(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    return act(request, consultation_id, lambda r, c: consultations.stop(consultation=c, by=r.user))


@require_POST
def consultation_retry(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    return act(request, consultation_id, lambda r, c: consultations.retry(consultation=c, by=r.user))


@require_POST
def consultation_pause(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    note = request.POST.get("note", "")[:2000]

    def rest(request: SignedIn, found: Consultation) -> None:
        pauses.pause(consultation=found, by=request.user, until=day_of(request.POST.get("until", "")), note=note)

    return act(request, consultation_id, rest)


def day_of(text: str) -> date | None:
    if not text.strip():
        return None
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise Refused(SENTENCES["pause_past"]) from None


@require_POST
def consultation_resume(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    return act(request, consultation_id, lambda r, c: pauses.resume(consultation=c, by=r.user))


@require_POST
def consultation_close(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    """`reason-7` says why the can't-miss hypothesis of entry 7 stays open."""
    diagnosis, note = request.POST.get("diagnosis", "")[:500], request.POST.get("note", "")
    given = {key.removeprefix("reason-"): text for key, text in request.POST.items() if key.startswith("reason-")}
    reasons = {int(entry): str(text)[:1000] for entry, text in given.items() if entry.isdecimal()}
    return act(
        request,
        consultation_id,
        lambda r, c: consultations.close(consultation=c, by=r.user, diagnosis=diagnosis, note=note, reasons=reasons),
    )


@require_POST
def consultation_outcome(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    words = {name: request.POST.get(name, "") for name in ("diagnosis", "harm", "note")}
    certainty = request.POST.get("certainty", Certainty.CONFIRMED)

    def keep(request: SignedIn, found: Consultation) -> None:
        outcomes.record_outcome(consultation=found, by=request.user, certainty=certainty, **words)
        messages.success(request, "The outcome is recorded.")

    return act(request, consultation_id, keep)
