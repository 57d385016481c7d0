"""Beside the agent's word: commit first, consistency, look ahead, and how appropriate reliance has been."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from clinic.look_ahead import look_ahead_of
from clinic.models import Role
from clinic.reliance import reliance_of
from clinic.room import room_of
from clinic.services import confidence, independent, people
from clinic.views.access import SignedIn
from clinic.views.consultation_actions import act
from clinic.views.consultations import context, visible_consultation


@require_POST
def consultation_commit(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    columns = [request.POST.getlist(name) for name in ("diagnosis", "probability", "rests_on")]
    rows = [
        {"diagnosis": diagnosis, "probability": probability, "rests_on": rests_on}
        for diagnosis, probability, rests_on in zip(*columns, strict=False)
    ]
    following = request.POST.get("next_examination", "")
    return act(
        request,
        consultation_id,
        lambda r, c: independent.commit(consultation=c, by=r.user, differential=rows, next_examination=following),
    )


@require_POST
def consultation_drafts(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    return act(request, consultation_id, lambda r, c: confidence.ask_again(consultation=c, by=r.user))


@require_GET
def consultation_confidence(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    """The part that waits for the drafts, until they are there."""
    return render(request, "clinic/room/confidence.html", context(request, consultation_id))


@require_GET
def consultation_look_ahead(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    """As a part of the page, or as JSON where that is asked for; simulated by name in both."""
    room = room_of(visible_consultation(request, consultation_id), request.user)
    wanted = request.GET.get("examination", "").strip()[:200]
    if room.hidden:
        return HttpResponse("Commit your own differential first.", status=409, content_type="text/plain")
    if not wanted and room.pending.get("action") == "examine":
        wanted = str(room.pending["target"])
    ahead = look_ahead_of(room.facts, wanted=wanted)
    if request.accepts("application/json") and not request.accepts("text/html"):
        return JsonResponse(ahead.as_dict())
    template = "clinic/room/ahead.html" if request.htmx else "clinic/look_ahead.html"
    return render(request, template, {"ahead": ahead, "consultation": room.consultation})


@require_GET
def reliance(request: SignedIn) -> HttpResponse:
    site, policies = reliance_of(request.user)
    whose = "your own consultations" if request.user.role == Role.CLINICIAN else "the consultations of your site"
    return render(request, "clinic/reliance.html", {"whole": site, "policies": policies, "whose": whose})


@require_POST
def independent_first(request: SignedIn) -> HttpResponse:
    """A person's own choice, or an administrator's for the site."""
    own, site = request.POST.get("own"), request.POST.get("site")
    if own in ("on", "off", "site"):
        people.choose_independent(by=request.user, own={"on": True, "off": False, "site": None}[own])
    if site in ("on", "off"):
        people.choose_independent_for_site(by=request.user, on=site == "on")
    return redirect("settings")


@require_POST
def units(request: SignedIn) -> HttpResponse:
    """Conventional or SI units first, or as results come."""
    chosen = {"conventional": True, "si": False, "as-they-come": None}
    if (units := request.POST.get("units", "")) in chosen:
        people.choose_units(by=request.user, conventional=chosen[units])
    return redirect("settings")


@require_POST
def seen_version(request: SignedIn) -> HttpResponse:
    """The note about a new version was read."""
    people.saw_version(by=request.user)
    back = request.POST.get("back", "")
    safe = url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return redirect(back if safe else "home")
