"""Model versions: which exist, which serves, and the card of each."""

from __future__ import annotations

from django.db.models import CharField, Count, OuterRef, Q
from django.db.models.functions import Cast
from django.http import Http404, HttpResponse
from django.shortcuts import render

from clinic.models import Consultation, Endpoint, ModelVersion, StatusChange
from clinic.room_rows import array_of, instances
from clinic.views.access import SignedIn
from clinic.views.paging import page_of

ELSEWHERE = ("fingerprint", "fingerprint_of_start", "provenance", "counts", "config")


def version_list(request: SignedIn) -> HttpResponse:
    return render(request, "clinic/version_list.html", {"page": page_of(ModelVersion.objects.all(), request)})


def version_detail(request: SignedIn, version: str) -> HttpResponse:
    moves = Q(noun="modelversion", target=Cast(OuterRef("pk"), CharField()))
    found = (
        ModelVersion.objects.filter(version=version)
        .annotate(
            endpoint_rows=array_of(Endpoint, Q(model_version=OuterRef("pk"))),
            changes=array_of(StatusChange, moves, ("by",)),
        )
        .first()
    )
    if found is None:
        raise Http404("No version has this name.")
    mine = Consultation.objects.visible_to(request.user).filter(model_version=found)
    context = {
        "version": found,
        # Told apart on the card, or too long for a page.
        "manifest": {key: value for key, value in found.manifest.items() if key not in ELSEWHERE},
        "endpoints": instances(Endpoint, found.endpoint_rows),
        "history": instances(StatusChange, found.changes, ("by",)),
        "use": mine.values("status").annotate(n=Count("pk")).order_by("status"),
    }
    return render(request, "clinic/version_detail.html", context)
