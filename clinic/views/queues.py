"""Queues: what is to be judged, by whom, and how far it is."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render

from clinic.models import AnnotationQueue
from clinic.views.access import SignedIn, annotation_only
from clinic.views.paging import page_of


@annotation_only
def queue_list(request: SignedIn) -> HttpResponse:
    page = page_of(AnnotationQueue.objects.visible_to(request.user), request)
    return render(request, "clinic/annotation/queue_list.html", {"page": page})
