"""What was given back in one consultation, and its withdrawal."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from clinic.models import Feedback
from clinic.services import feedback
from clinic.services.errors import Refused
from clinic.views.access import SignedIn
from clinic.views.consultations import visible_consultation


def consultation_feedback(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    """Everything given in this consultation, newest first; the reader's own can be withdrawn."""
    found = visible_consultation(request, consultation_id)
    rows = Feedback.objects.visible_to(request.user).filter(consultation=found).select_related("by", "turn")
    page = {"consultation": found, "case": found.case, "rows": rows.order_by("-at")}
    return render(request, "clinic/consultation_feedback.html", page)


@require_POST
def feedback_withdraw(request: SignedIn, feedback_id: UUID) -> HttpResponse:
    return _change(request, feedback_id, "Withdrawn. It is never learned from.", withdraw=True)


@require_POST
def feedback_consent(request: SignedIn, feedback_id: UUID) -> HttpResponse:
    consent = request.POST.get("consent") == "1"
    word = "It may be learned from once it is approved." if consent else "It will not be learned from."
    return _change(request, feedback_id, word, consent=consent)


def _change(
    request: SignedIn, feedback_id: UUID, done: str, *, withdraw: bool = False, consent: bool = False
) -> HttpResponse:
    given = Feedback.objects.visible_to(request.user).filter(pk=feedback_id).select_related("consultation").first()
    if given is None or given.consultation_id is None:
        raise Http404("There is no such feedback, or it is not open to you.")
    visible_consultation(request, given.consultation_id)
    try:
        if withdraw:
            feedback.withdraw(feedback=given, by=request.user)
        else:
            feedback.allow(feedback=given, by=request.user, consent=consent)
        messages.success(request, done)
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("consultation_feedback", given.consultation_id)
