"""Model versions: which exist, which serves, and the card of each."""

from __future__ import annotations

from django.db.models import Count
from django.http import Http404, HttpResponse
from django.shortcuts import render

from clinic.models import Consultation, ModelVersion, StatusChange
from clinic.views.access import SignedIn
from clinic.views.paging import page_of


def version_list(request: SignedIn) -> HttpResponse:
    return render(request, "clinic/version_list.html", {"page": page_of(ModelVersion.objects.all(), request)})


def version_detail(request: SignedIn, version: str) -> HttpResponse:
    found = ModelVersion.objects.filter(version=version).first()
    if found is None:
        raise Http404("No version has this name.")
    mine = Consultation.objects.visible_to(request.user).filter(model_version=found)
    context = {
        "version": found,
        "endpoints": found.endpoints.all(),
        "history": StatusChange.objects.filter(noun="modelversion", target=str(found.pk)).select_related("by"),
        "use": mine.values("status").annotate(n=Count("pk")).order_by("status"),
    }
    return render(request, "clinic/version_detail.html", context)
