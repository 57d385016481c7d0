"""The Virtual clinic: what it knows, how sure its numbers are, whether its gates hold, and its patients."""

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from clinic import cards
from clinic.gate_charts import gate_rows, reliability_chart
from clinic.services import virtual_clinic
from clinic.services.errors import Refused
from clinic.views.access import SignedIn


@require_safe
def overview(request: SignedIn) -> HttpResponse:
    found = virtual_clinic.last_check()
    context = {
        "groups": cards.coverage(),
        "conditions": len(cards.known().conditions),
        "version": virtual_clinic.knowledge_version(),
        "grades": cards.shares_of_grades(cards.known().conditions.values()),
        "sources": list(cards.known().sources["sources"].values()),
        "check": found,
        "running": not found and virtual_clinic.check_is_running(),
        "gates": gate_rows(found.gates) if found else [],
        "reliability": reliability_chart(found.reliability) if found else None,
        "may_call": request.user.role in virtual_clinic.MAY_ENTER,
    }
    return render(request, "clinic/virtual_clinic.html", context)


@require_safe
def condition(request: SignedIn, condition_id: str) -> HttpResponse:
    card = cards.card(condition_id)
    if card is None:
        raise Http404("The virtual clinic has no condition of this name.")
    return render(request, "clinic/condition.html", {"card": card, "condition": card.condition})


@require_POST
def check(request: SignedIn) -> HttpResponseRedirect:
    try:
        virtual_clinic.ask_for_check(by=request.user)
        messages.info(request, "The worker computes the gates now; their values appear here in a minute or two.")
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("virtual_clinic")


@require_POST
def new_patient(request: SignedIn) -> HttpResponseRedirect:
    try:
        case = virtual_clinic.new_patient(group=request.POST.get("group", ""), by=request.user)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("virtual_clinic")
    return redirect("case_detail", case.pk)
