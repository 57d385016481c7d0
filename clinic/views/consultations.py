"""Consultations: history, a new one, the room and its live parts."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Count, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render

from clinic.blindness import judged_blindly
from clinic.models import Consultation, ConsultationStatus, Outcome, Turn, TurnRole
from clinic.moves import Moves
from clinic.room import Room, room_of
from clinic.room_rows import with_rows
from clinic.services import consultations
from clinic.services.errors import Refused
from clinic.views.access import SignedIn
from clinic.views.cases import visible_case
from clinic.views.paging import page_of, render_list


def consultation_list(request: SignedIn) -> HttpResponse:
    words, state = request.GET.get("q", "").strip()[:200], request.GET.get("state", "")
    spoken = Turn.objects.filter(consultation=OuterRef("pk"), role=TurnRole.AGENT, retracted_at=None)
    actions = spoken.order_by().values("consultation")
    outcome = Outcome.objects.filter(consultation=OuterRef("pk")).order_by("-pk").values("diagnosis")[:1]
    rows = (
        Consultation.objects.visible_to(request.user)
        .select_related("case", "clinician", "model_version")
        .defer("case__sheet", "case__answer", "case__history", "case__extra")
        .annotate(actions=Coalesce(Subquery(actions.annotate(n=Count("pk")).values("n")), 0))
        .annotate(outcome=Subquery(outcome))
    )
    for word in words.split():
        rows = rows.filter(Q(case__title__icontains=word) | Q(diagnosis__icontains=word))
    if state == "open":
        rows = rows.exclude(status=ConsultationStatus.CLOSED)
    elif state == "paused":
        rows = rows.exclude(paused_at=None)
    elif state == "outcome":
        rows = rows.filter(status=ConsultationStatus.CLOSED, outcomes=None, clinician=request.user)
    elif state == "closed":
        rows = rows.filter(status=ConsultationStatus.CLOSED)
    page = page_of(rows, request)
    return render_list(request, "clinic/consultation_list.html", {"page": page, "q": words, "state": state})


def consultation_new(request: SignedIn) -> HttpResponse:
    case = visible_case(request, request.POST.get("case") or request.GET.get("case", ""))
    if request.method == "POST":
        try:
            how = {"alone": bool(request.POST.get("alone")), "language": request.POST.get("world") == "language"}
            return redirect("consultation", consultations.start(case=case, by=request.user, **how).pk)
        except Refused as refusal:
            messages.error(request, str(refusal))
            return redirect("case_detail", case.pk)
    return render(request, "clinic/consultation_new.html", {"case": case})


def consultation(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    return room_page(request, consultation_id)


def room_page(request: SignedIn, consultation_id: UUID, *, refused: bool = False) -> HttpResponse:
    """The whole room, or for htmx its live parts. After a refusal its forms hold what was typed into them."""
    if refused and request.htmx:
        return panel(request, consultation_id, refused=True)
    page = context(request, consultation_id, refused=refused)
    return render(request, "clinic/consultation.html", page, status=422 if refused else 200)


def consultation_panel(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    """Everything on the page that changes with a turn, each part replacing its namesake."""
    return panel(request, consultation_id)


def panel(request: SignedIn, consultation_id: UUID, *, refused: bool = False) -> HttpResponse:
    page = context(request, consultation_id, refused=refused)
    return render(request, "clinic/room/panel.html", {**page, "oob": True})


def context(request: SignedIn, consultation_id: UUID, *, refused: bool = False) -> dict[str, Any]:
    room: Room = room_of(visible_consultation(request, consultation_id, rows=True), request.user)
    moves = moves_of(room, request, refused=refused)
    return {"room": room, "moves": moves, "consultation": room.consultation, "case": room.consultation.case}


def moves_of(room: Room, request: SignedIn, *, refused: bool) -> Moves:
    match = request.resolver_match
    return Moves(
        room=room,
        typed=request.POST if refused else QueryDict(),
        refused=match.url_name or "" if refused and match else "",
        asked_for=request.GET.get("examination", "")[:200],
    )


def visible_consultation(request: SignedIn, consultation_id: UUID, *, rows: bool = False) -> Consultation:
    """With `rows`, all that its room shows but the turns comes with it."""
    visible = Consultation.objects.visible_to(request.user).filter(pk=consultation_id)
    related = visible.select_related("case", "case__patient", "clinician", "model_version", "site")
    shown = with_rows(visible).annotate(policy_hidden=judged_blindly(request.user))
    found = (shown if rows else related).first()
    if found is None:
        raise Http404("There is no such consultation, or it is not open to you.")
    return found
