"""What the clinician does in the room: each a POST that works with and without JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from clinic.forms import ResultForm
from clinic.models import Consultation, StaleStatus
from clinic.services import consultations
from clinic.services.errors import SENTENCES, Refused
from clinic.views.access import SignedIn
from clinic.views.consultations import panel, visible_consultation

Verb = Callable[[SignedIn, Consultation], Any]


def _act(request: SignedIn, consultation_id: UUID, verb: Verb) -> HttpResponse:
    """One service call; a refusal becomes a sentence above the page it leads back to."""
    found = visible_consultation(request, consultation_id)
    try:
        verb(request, found)
    except Refused as refusal:
        messages.error(request, str(refusal))
    except StaleStatus:
        messages.warning(request, SENTENCES["stale"])
    return panel(request, consultation_id) if request.htmx else redirect("consultation", consultation_id)


@require_POST
def consultation_order(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    examination = request.POST.get("examination", "")[:300]
    return _act(
        request,
        consultation_id,
        lambda r, c: consultations.order(consultation=c, by=r.user, examination=examination),
    )


@require_POST
def consultation_answer(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    text = request.POST.get("text", "")
    return _act(request, consultation_id, lambda r, c: consultations.answer(consultation=c, by=r.user, text=text))


@require_POST
def consultation_ask(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    words = request.POST.get("question", "")[:1000]
    return _act(request, consultation_id, lambda r, c: consultations.ask(consultation=c, by=r.user, question=words))


@require_POST
def consultation_call(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    return _act(request, consultation_id, lambda r, c: consultations.call_agent(consultation=c, by=r.user))


@require_POST
def consultation_result(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    def enter(request: SignedIn, found: Consultation) -> None:
        form = ResultForm(request.POST)
        if not form.is_valid():
            raise Refused(" ".join(str(error) for errors in form.errors.values() for error in errors))
        consultations.enter_result(consultation=found, by=request.user, **form.facts())

    return _act(request, consultation_id, enter)


@require_POST
def consultation_say(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    text, declined = request.POST.get("text", "").strip(), request.POST.get("declined", "").strip()[:300]
    if declined:
        text = f"Not now: {declined}. {text}".strip()
    return _act(request, consultation_id, lambda r, c: consultations.say(consultation=c, by=r.user, text=text))


@require_POST
def consultation_stop(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    return _act(request, consultation_id, lambda r, c: consultations.stop(consultation=c, by=r.user))


@require_POST
def consultation_retry(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    return _act(request, consultation_id, lambda r, c: consultations.retry(consultation=c, by=r.user))


@require_POST
def consultation_close(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    diagnosis, note = request.POST.get("diagnosis", "")[:500], request.POST.get("note", "")
    return _act(
        request,
        consultation_id,
        lambda r, c: consultations.close(consultation=c, by=r.user, diagnosis=diagnosis, note=note),
    )
