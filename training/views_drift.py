"""Drift of the site against its reference window, and the alarms that people must look at."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from clinic.services.errors import Refused
from clinic.views.access import SignedIn, queue_keepers_only, training_only
from clinic.views.paging import page_of
from training import alarms, drift_pages
from training.models import Alarm


@training_only
@require_GET
def drift_page(request: SignedIn) -> HttpResponse:
    """The last four weeks against the twelve before them."""
    return render(request, "training/drift.html", drift_pages.whole(request.user))


@training_only
@require_GET
def alarm_list(request: SignedIn) -> HttpResponse:
    """Those that are open first; `?all=1` also those that were cleared."""
    mine = Alarm.objects.visible_to(request.user).select_related("cleared_by", "site")
    everything = "all" in request.GET
    rows = mine.order_by("-cleared_at", "-raised_at") if everything else mine.filter(cleared_at=None)
    return render(request, "training/alarm_list.html", {"page": page_of(rows, request), "everything": everything})


@queue_keepers_only
@require_POST
def alarm_clear(request: SignedIn, alarm_id: int) -> HttpResponse:
    found = Alarm.objects.visible_to(request.user).select_related("site").filter(pk=alarm_id).first()
    if found is None:
        raise Http404("There is no such alarm, or it is not open to you.")
    try:
        alarms.clear(alarm=found, by=request.user, why=request.POST.get("why", ""))
    except Refused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, "Cleared. It is raised anew where it is seen again.")
    return redirect("training:alarm_list")
