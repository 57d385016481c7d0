"""The page on which a consultation is given to a colleague."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from clinic.models import StaleStatus, User
from clinic.services import handovers
from clinic.services.errors import SENTENCES, Refused
from clinic.views.access import SignedIn
from clinic.views.consultations import visible_consultation


def consultation_hand_over(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    found = visible_consultation(request, consultation_id)
    receiver, note = request.POST.get("to", ""), request.POST.get("note", "")[:4000]
    if request.method == "POST":
        try:
            to = User.objects.filter(pk=int(receiver)).first() if receiver.isdecimal() and len(receiver) < 10 else None
            given = handovers.hand_over(consultation=found, by=request.user, to=to, note=note)
            messages.success(
                request, f"{given.receiver.display_name} holds this consultation now. You can still read it."
            )
            return redirect("consultation", consultation_id)
        except Refused as refusal:
            messages.error(request, str(refusal))
        except StaleStatus:
            messages.warning(request, SENTENCES["stale"])
    page = {
        "consultation": found,
        "case": found.case,
        "colleagues": handovers.colleagues(found, request.user),
        "receiver": receiver,
        "note": note,
    }
    return render(request, "clinic/hand_over.html", page, status=422 if request.method == "POST" else 200)
