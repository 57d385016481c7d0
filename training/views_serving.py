"""Deployments: which version serves, and the buttons that change it."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from clinic.models import ModelRole, ModelVersion
from clinic.services.errors import Refused
from clinic.views.access import SignedIn, admins_only, training_only
from training import serving, serving_pages
from training.models import Deployment, DeploymentKind
from training.serving import attributes, known_here
from training.serving.card import card_of

PATIENCE = 55.0
"""Seconds that a request waits for a server to start; proxies in front often end it after sixty."""


@training_only
@require_GET
def deployment_list(request: SignedIn) -> HttpResponse:
    """Who serves, what may serve next, every decision; `htmx` asks for what changes while servers start."""
    context = serving_pages.board(request.user)
    if request.htmx:
        return render(request, "training/_deployment_board.html", context)
    return render(request, "training/deployment_list.html", {**context, "history": serving_pages.history()})


@require_GET
def source_attributes(request: SignedIn, version: str) -> HttpResponse:
    """Of the version, for whoever may see its card: what the reader's own site has measured fills some of them."""
    found = get_object_or_404(ModelVersion, version=version)
    told = attributes.groups(card_of(found), known_here.of(found, request.user))
    name = "training/_source_attributes.html" if request.htmx else "training/source_attributes.html"
    return render(request, name, {"version": found, "groups": told})


@admins_only
@require_POST
def promote(request: SignedIn, version: str) -> HttpResponse:
    found = _agent(version)
    return _decided(
        request,
        lambda: serving.promote(version=found, by=request.user, patience=PATIENCE),
        f"{version} serves new consultations from now on. Open ones keep their version.",
    )


@admins_only
@require_POST
def canary(request: SignedIn, version: str) -> HttpResponse:
    found, share = _agent(version), _share(request.POST.get("share", ""))
    return _decided(
        request,
        lambda: serving.promote(
            version=found, by=request.user, share=share, kind=DeploymentKind.CANARY, patience=PATIENCE
        ),
        f"{version} answers {share:.0%} of new consultations from now on.",
    )


@admins_only
@require_POST
def shadow(request: SignedIn, version: str) -> HttpResponse:
    found = _agent(version)
    return _decided(
        request,
        lambda: serving.shadow(version=found, by=request.user, patience=PATIENCE),
        f"{version} answers unseen from now on, on cases of no real patient.",
    )


@admins_only
@require_POST
def withdraw(request: SignedIn, version: str) -> HttpResponse:
    found, reason = _agent(version), request.POST.get("reason", "")
    return _decided(
        request,
        lambda: serving.withdraw(version=found, by=request.user, reason=reason),
        f"{version} gets no new consultation. Those it has keep it.",
    )


@admins_only
@require_POST
def rollback(request: SignedIn) -> HttpResponse:
    reason, of = request.POST.get("reason", ""), request.POST.get("serving", "")
    return _decided(
        request,
        lambda: serving.roll_back(by=request.user, reason=reason, of=of),
        "The version before serves new consultations again.",
    )


def _decided(request: SignedIn, decide: Callable[[], Deployment], said: str) -> HttpResponse:
    try:
        made = decide()
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"{said} ({made.seconds:.1f} s)")
    return redirect("training:deployment_list")


def _agent(version: str) -> ModelVersion:
    found = ModelVersion.objects.filter(version=version, role=ModelRole.AGENT).first()
    if found is None:
        raise Http404("No agent has this name.")
    return found


def _share(text: str) -> float:
    """Per cent as typed; nothing that can serve where it is no number."""
    try:
        return float(text) / 100
    except ValueError:
        return 0.0
