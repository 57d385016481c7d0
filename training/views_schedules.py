"""Schedules of the site: the list with what keeps each from beginning, and one to write or change."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET

from clinic.services.errors import Refused
from clinic.views.access import SignedIn, admins_only, training_only
from training.forms_runs import DAYS, ScheduleForm
from training.models import Schedule
from training.runs import schedules


@training_only
@require_GET
def schedule_list(request: SignedIn) -> HttpResponse:
    """By name, each with its last runs."""
    mine = Schedule.objects.filter(site=request.user.site_id).select_related("by").prefetch_related("runs")
    rows = [
        {
            "schedule": row,
            "days": [word[:3] for number, word in DAYS if number in row.weekdays],
            "new": schedules.new_judgements(row),
            "last": list(row.runs.all())[:3],
        }
        for row in mine
    ]
    return render(request, "training/schedule_list.html", {"rows": rows})


@admins_only
def schedule_edit(request: SignedIn, schedule_id: int | None = None) -> HttpResponse:
    """A new one, or one of the site's."""
    schedule = _mine(request, schedule_id) if schedule_id is not None else None
    initial = ScheduleForm.initial_of(schedule) if schedule else {}
    form, site = ScheduleForm(request.POST or None, initial=initial), request.user.site
    if request.method == "POST" and site and form.is_valid():
        try:
            schedules.save(site=site, by=request.user, schedule=schedule, **form.wanted())
        except Refused as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, "Saved. Rounds looks at it once a minute.")
            return redirect("training:schedule_list")
    status = 422 if request.method == "POST" else 200
    return render(request, "training/schedule_edit.html", {"form": form, "schedule": schedule}, status=status)


def _mine(request: SignedIn, schedule_id: int) -> Schedule:
    found = Schedule.objects.filter(site=request.user.site_id, pk=schedule_id).first()
    if found is None:
        raise Http404("There is no such schedule, or it is not open to you.")
    return found
