"""A new queue: the query as a form, with what it would take counted beside it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from clinic.queue_form import QueueForm
from clinic.services import queue_building
from clinic.services.errors import Refused
from clinic.views.access import SignedIn, queue_keepers_only

PAGE = "clinic/annotation/queue_new.html"


@queue_keepers_only
@require_http_methods(["GET", "HEAD", "POST"])
def queue_new(request: SignedIn) -> HttpResponse:
    """Posted by htmx or by the button "Count" it only counts; by "Build" it builds."""
    form = QueueForm(request.POST or None, by=request.user)
    if request.method == "POST" and "build" in request.POST and form.is_valid():
        try:
            made = queue_building.build(by=request.user, **form.building())
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, f"Built: {made.items.count()} items.")
            return redirect("queue", made.pk)
    form.is_valid()
    context = {"form": form, **counted(request, form)}
    part = request.htmx and not request.htmx.history_restore_request
    return render(request, f"{PAGE}#counts" if part else PAGE, context, status=422 if form.errors and not part else 200)


def counted(request: SignedIn, form: QueueForm) -> dict[str, Any]:
    """The plan, or why there is none; nothing before the form was sent."""
    if not form.is_bound:
        return {}
    if "query" not in form.cleaned_data:
        return {"why_not": "Correct the marked fields to count."}
    data = form.cleaned_data
    try:
        found = queue_building.plan(query=data["query"], seed=data["seed"], by=request.user, rubric=data["rubric"])
    except Refused as refusal:
        return {"why_not": str(refusal)}
    return {"plan": found, "judgements": found.size * data["overlap"], "query": data["query"]}
