"""Runs of the site: the list, a new one, one with its curves, and what may be done with it."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from clinic.services.errors import Refused
from clinic.views.access import SignedIn, admins_only, training_only
from clinic.views.paging import page_of
from training import run_pages, runs
from training.forms_runs import NewRun
from training.models import Run


@training_only
@require_GET
def run_list(request: SignedIn) -> HttpResponse:
    """Newest first; those at work show how far they are."""
    mine = Run.objects.visible_to(request.user).select_related("snapshot", "start", "version", "by", "schedule")
    page = page_of(mine.defer("log", "manifest"), request)
    context = {"page": page, "rows": run_pages.rows(page.rows), "alive": any(run.is_alive for run in page.rows)}
    return render(request, "training/run_list.html", context)


@admins_only
def run_new(request: SignedIn) -> HttpResponse:
    """The form of a new run."""
    form, site = NewRun(request.POST or None, user=request.user), request.user.site
    if request.method == "POST" and site and form.is_valid():
        try:
            run = runs.start(site=site, by=request.user, **form.wanted())
        except Refused as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, "The run waits for the worker. This page shows how far it is.")
            return redirect("training:run_detail", run.pk)
    status = 422 if request.method == "POST" else 200
    return render(request, "training/run_new.html", {"form": form}, status=status)


@training_only
@require_GET
def run_detail(request: SignedIn, run_id: UUID) -> HttpResponse:
    """One run, from its origin to what it made."""
    run = _visible(request, run_id)
    return render(request, "training/run_detail.html", run_pages.whole(run, request.user))


@training_only
@require_GET
def run_curves(request: SignedIn, run_id: UUID) -> HttpResponse:
    """What changes while it runs: progress, curves, device table, log; asked for every few seconds."""
    run = _visible(request, run_id)
    response = render(request, "training/_run_live.html", run_pages.live(run, request.user))
    if not run.is_alive:
        # The whole page then: other buttons, the version, the history.
        response["HX-Refresh"] = "true"
    return response


@admins_only
@require_POST
def run_cancel(request: SignedIn, run_id: UUID) -> HttpResponse:
    run = _visible(request, run_id)
    return _told(request, run, lambda: runs.cancel(run=run, by=request.user), "The run is being cancelled.")


@admins_only
@require_POST
def run_resume(request: SignedIn, run_id: UUID) -> HttpResponse:
    run = _visible(request, run_id)
    said = "The run goes on from its last checkpoint as soon as the worker is free."
    return _told(request, run, lambda: runs.resume(run=run, by=request.user), said)


@admins_only
@require_POST
def run_clone(request: SignedIn, run_id: UUID) -> HttpResponse:
    run = _visible(request, run_id)
    return _told(request, run, lambda: runs.clone(run=run, by=request.user), "A new run with the same settings waits.")


def _visible(request: SignedIn, run_id: UUID) -> Run:
    found = Run.objects.visible_to(request.user).select_related(
        "site", "snapshot", "start", "version", "by", "schedule", "cloned_from"
    )
    run = found.filter(pk=run_id).first()
    if run is None:
        raise Http404("There is no such run, or it is not open to you.")
    return run


def _told(request: SignedIn, run: Run, verb: run_pages.Verb, said: str) -> HttpResponse:
    try:
        after = verb()
    except Refused as refused:
        messages.error(request, str(refused))
        return redirect("training:run_detail", run.pk)
    messages.success(request, said)
    return redirect("training:run_detail", after.pk)
