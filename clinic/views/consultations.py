"""Consultations: history, a new one, the room and its live parts."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Count, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from clinic.models import Consultation, ConsultationStatus, Turn, TurnRole
from clinic.room import Room, room_of
from clinic.services import consultations
from clinic.services.errors import Refused
from clinic.views.access import SignedIn
from clinic.views.cases import visible_case
from clinic.views.paging import page_of, render_list


def consultation_list(request: SignedIn) -> HttpResponse:
    words, state = request.GET.get("q", "").strip()[:200], request.GET.get("state", "")
    actions = Turn.objects.filter(consultation=OuterRef("pk"), role=TurnRole.AGENT).order_by().values("consultation")
    rows = (
        Consultation.objects.visible_to(request.user)
        .select_related("case", "clinician", "model_version")
        .defer("case__sheet", "case__answer", "case__history", "case__extra")
        .annotate(actions=Coalesce(Subquery(actions.annotate(n=Count("pk")).values("n")), 0))
    )
    for word in words.split():
        rows = rows.filter(Q(case__title__icontains=word) | Q(diagnosis__icontains=word))
    if state == "open":
        rows = rows.exclude(status=ConsultationStatus.CLOSED)
    elif state == "closed":
        rows = rows.filter(status=ConsultationStatus.CLOSED)
    page = page_of(rows, request)
    return render_list(request, "clinic/consultation_list.html", {"page": page, "q": words, "state": state})


def consultation_new(request: SignedIn) -> HttpResponse:
    case = visible_case(request, request.POST.get("case") or request.GET.get("case", ""))
    if request.method == "POST":
        try:
            alone = bool(request.POST.get("alone"))
            return redirect("consultation", consultations.start(case=case, by=request.user, alone=alone).pk)
        except Refused as refusal:
            messages.error(request, str(refusal))
            return redirect("case_detail", case.pk)
    return render(request, "clinic/consultation_new.html", {"case": case})


def consultation(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    return render(request, "clinic/consultation.html", context(request, consultation_id))


def consultation_panel(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    """Everything on the page that changes with a turn, each part replacing its namesake."""
    return panel(request, consultation_id)


def panel(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    return render(request, "clinic/room/panel.html", {**context(request, consultation_id), "oob": True})


def context(request: SignedIn, consultation_id: UUID) -> dict[str, Any]:
    room: Room = room_of(visible_consultation(request, consultation_id), request.user)
    return {"room": room, "consultation": room.consultation, "case": room.consultation.case}


def visible_consultation(request: SignedIn, consultation_id: UUID) -> Consultation:
    found = (
        Consultation.objects.visible_to(request.user)
        .select_related("case", "case__patient", "clinician", "model_version", "site")
        .filter(pk=consultation_id)
        .first()
    )
    if found is None:
        raise Http404("There is no such consultation, or it is not open to you.")
    return found
