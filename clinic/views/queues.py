"""Queues: what waits for whom, how far each one is, and who has what in it."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from clinic.models import AnnotationQueue
from clinic.queue_progress import items_of, load_of, queues_for, strata_of, with_judgements
from clinic.queue_query import BadQuery, QueueQuery
from clinic.services import queue_building
from clinic.services.errors import Refused
from clinic.views.access import SignedIn, annotation_only, queue_keepers_only
from clinic.views.paging import page_of

STATES = (("", "All"), ("waiting", "Waiting"), ("in_work", "In work"), ("declined", "Declined"), ("done", "Done"))


@annotation_only
@require_safe
def queue_list(request: SignedIn) -> HttpResponse:
    page = page_of(queues_for(request.user), request)
    return render(request, "clinic/annotation/queue_list.html", {"page": page})


@queue_keepers_only
@require_safe
def queue(request: SignedIn, queue_id: UUID) -> HttpResponse:
    found = get_object_or_404(
        AnnotationQueue.objects.visible_to(request.user).select_related("created_by", "rubric_version__rubric"),
        pk=queue_id,
    )
    strata = strata_of(found)
    state = request.GET.get("state", "")
    page = page_of(items_of(found, state), request)
    context = {
        "queue": found,
        "said": in_words(found),
        "strata": strata,
        "whole": {name: sum(row[name] for row in strata) for name in ("items", "finished", "wanted", "submitted")},
        "load": load_of(found),
        "page": replace(page, rows=with_judgements(page.rows, request.user)),
        "state": state,
        "states": STATES,
    }
    return render(request, "clinic/annotation/queue.html", context)


@queue_keepers_only
@require_POST
def queue_close(request: SignedIn, queue_id: UUID) -> HttpResponseRedirect:
    found = get_object_or_404(AnnotationQueue.objects.visible_to(request.user), pk=queue_id)
    try:
        queue_building.close(queue=found, by=request.user)
        messages.success(request, "Closed. What was submitted counts.")
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("queue", queue_id)


def in_words(queue: AnnotationQueue) -> list[str]:
    """A queue made by another way than the form has a query of its own kind, or none."""
    try:
        return QueueQuery.of(queue.query).in_words() if queue.query else []
    except BadQuery:
        return []
