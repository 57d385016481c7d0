"""Gates of the site: the list, a new one, one with its checks, its change record and the two signatures."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_GET, require_POST

from clinic.services.errors import Refused
from clinic.views.access import SignedIn, admins_only, queue_keepers_only, training_only
from clinic.views.paging import page_of
from training import gate_pages, gates
from training.forms_gates import NewGate, RecordForm
from training.gates import starting
from training.models import ChangeRecord, Gate


@training_only
@require_GET
def gate_list(request: SignedIn) -> HttpResponse:
    """Newest first, and the form of a new one for administrators; `?candidate=NUMBER` chooses its candidate."""
    mine = Gate.objects.visible_to(request.user).select_related("candidate", "baseline", "by", "record")
    page = page_of(mine.prefetch_related("record__signatures"), request)
    wanted = request.GET.get("candidate", "")
    form = NewGate(user=request.user, initial={"candidate": wanted}) if request.user.is_site_admin else None
    context = {"page": page, "rows": gate_pages.rows(page.rows), "form": form, "wanted": wanted}
    return render(request, "training/gate_list.html", context)


@admins_only
@require_POST
def gate_start(request: SignedIn) -> HttpResponse:
    form = NewGate(request.POST, user=request.user)
    if not form.is_valid():
        messages.error(request, "Choose a candidate and a profile. Nothing was begun.")
        return redirect("training:gate_list")
    try:
        gate = gates.start(by=request.user, **form.cleaned_data)
    except Refused as refused:
        messages.error(request, str(refused))
        return redirect("training:gate_list")
    messages.success(request, "The gate waits for the worker. This page shows how far it is.")
    return redirect("training:gate_detail", gate.pk)


@training_only
@require_GET
def gate_detail(request: SignedIn, gate_id: int) -> HttpResponse:
    """One gate; while it is played, the page asks for its progress alone."""
    gate = _visible(request, gate_id)
    if request.htmx:
        response = render(request, "training/_gate_live.html", gate_pages.live(gate))
        if not gate_pages.is_alive(gate):
            response["HX-Refresh"] = "true"
        # The same address has two answers, and going back must not show the part alone.
        patch_vary_headers(response, ["HX-Request"])
        return response
    context = gate_pages.whole(gate, request.user)
    form = RecordForm(initial=context["texts"]) if context["may_write"] else None
    return render(request, "training/gate_detail.html", {**context, "form": form})


@admins_only
@require_POST
def gate_again(request: SignedIn, gate_id: int) -> HttpResponse:
    gate = _visible(request, gate_id)
    said = "It goes on with what was played, as soon as the worker is free."
    return _told(request, gate, lambda: starting.start_again(gate=gate, by=request.user), said)


@queue_keepers_only
@require_POST
def gate_record(request: SignedIn, gate_id: int) -> HttpResponse:
    """What was typed comes back with the sentence where it is refused."""
    gate, form = _visible(request, gate_id), RecordForm(request.POST)
    if form.is_valid():
        try:
            gates.write_record(gate=gate, by=request.user, **form.cleaned_data)
        except Refused as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, "The change record is written. Two people sign it now.")
            return redirect("training:gate_detail", gate.pk)
    context = {**gate_pages.whole(gate, request.user), "form": form}
    return render(request, "training/gate_detail.html", context, status=422)


@queue_keepers_only
@require_POST
def gate_sign(request: SignedIn, gate_id: int) -> HttpResponse:
    gate = _visible(request, gate_id)
    record = ChangeRecord.objects.filter(gate=gate).first()
    if record is None:
        raise Http404("This gate has no change record yet.")
    role, read = request.POST.get("role", ""), request.POST.get("read", "")
    return _told(request, gate, lambda: gates.sign(record=record, by=request.user, role=role, read=read), "You signed.")


def _visible(request: SignedIn, gate_id: int) -> Gate:
    found = Gate.objects.visible_to(request.user).select_related("site", "candidate", "baseline", "by", "record__by")
    gate = found.filter(pk=gate_id).first()
    if gate is None:
        raise Http404("There is no such gate, or it is not open to you.")
    return gate


def _told(request: SignedIn, gate: Gate, verb: Callable[[], object], said: str) -> HttpResponse:
    try:
        verb()
    except Refused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, said)
    return redirect("training:gate_detail", gate.pk)
