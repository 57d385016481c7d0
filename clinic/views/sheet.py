"""The annotation sheet: a consultation judged by rubric, or two compared; the next one is fetched ahead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from clinic.models import Annotation, AnnotationOrigin, AnnotationQueue
from clinic.room import examination_names
from clinic.services import queues
from clinic.services.annotations import save_draft, submit, take_ahead
from clinic.services.errors import Refused
from clinic.sheet import Sheet, sheet_of
from clinic.sheet_form import preference_sheet, rubric_sheet, whole
from clinic.views.access import SignedIn, annotators_only

PAGE, BODY = "clinic/annotation/sheet.html", "clinic/annotation/sheet_body.html"


@annotators_only
def sheet_next(request: SignedIn) -> HttpResponse:
    """To what this person has begun, else to the next one of the queue; both are theirs from then on."""
    queue = _queue(request)
    try:
        found = queues.take_next(by=request.user, queue=queue)
    except Refused as refusal:
        messages.error(request, str(refusal))
        found = None
    if found:
        return redirect("sheet", found.pk)
    return redirect(reverse("sheet_done") + (f"?queue={queue.pk}" if queue else ""))


@annotators_only
def sheet(request: SignedIn, annotation_id: UUID) -> HttpResponse:
    if request.method == "POST":
        return _submit(request, annotation_id)
    return _page(request, _readable(request, annotation_id))


@annotators_only
@require_POST
def sheet_draft(request: SignedIn, annotation_id: UUID) -> HttpResponse:
    """The sheet as it stands; a late one changes nothing, and says so."""
    annotation = _own(request, annotation_id)
    number = whole(request.POST.get("number")) or annotation.draft_number + 1
    draft = _sheet(annotation, request.POST)
    saved = save_draft(annotation=annotation, by=request.user, number=number, draft=draft)
    sentence = _reserved(annotation, request)
    if not _by_script(request):
        messages.success(request, sentence or "Saved. Go on whenever you like.")
        return redirect("sheet", annotation_id)
    known = number if saved else annotation.draft_number
    return JsonResponse({"saved": saved, "number": known, "at": _clock(), "sentence": sentence})


@annotators_only
@require_POST
def sheet_ahead(request: SignedIn, annotation_id: UUID) -> HttpResponse:
    """The next sheet's HTML; 204 where the page has it already (`have`), or where nothing is left."""
    annotation = _own(request, annotation_id)
    try:
        found = take_ahead(annotation=annotation, by=request.user)
    except Refused:
        found = None
    if found is None or str(found.pk) == request.POST.get("have"):
        return HttpResponse(status=204, headers={"X-Ahead": "kept" if found else "none"})
    return render(request, BODY, {"sheet": _readable(request, found.pk)})


@annotators_only
@require_POST
def sheet_open(request: SignedIn, annotation_id: UUID) -> HttpResponse:
    """A sheet that was fetched ahead is in front of its annotator now: reserved for as long as any other."""
    annotation = _own(request, annotation_id)
    try:
        queues.renew(annotation=annotation, by=request.user)
    except Refused as refusal:
        return JsonResponse({"sentence": str(refusal)}, status=409)
    return JsonResponse({"sentence": ""})


@annotators_only
@require_POST
def sheet_decline(request: SignedIn, annotation_id: UUID) -> HttpResponse:
    annotation = _own(request, annotation_id)
    typed = _sheet(annotation, request.POST)  # kept first: a refusal must not cost what stands on the sheet
    save_draft(annotation=annotation, by=request.user, number=annotation.draft_number + 1, draft=typed)
    try:
        queues.decline(annotation=annotation, by=request.user, reason=request.POST.get("decline_reason", ""))
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("sheet", annotation_id)
    return redirect(_next(annotation))


@annotators_only
def sheet_done(request: SignedIn) -> HttpResponse:
    """Nothing is left that this person could judge."""
    mine = Annotation.objects.visible_to(request.user).filter(annotator=request.user, status="submitted")
    queue = _queue(request)
    if queue:
        mine = mine.filter(item__queue=queue)
    return render(request, "clinic/annotation/sheet_done.html", {"queue": queue, "judged": mine.count()})


@annotators_only
def sheet_signed_in(request: SignedIn) -> HttpResponse:
    """Where somebody lands who signed in again beside an open sheet."""
    return render(request, "clinic/annotation/sheet_signed_in.html")


def _submit(request: SignedIn, annotation_id: UUID) -> HttpResponse:
    annotation = _own(request, annotation_id)
    typed = _sheet(annotation, request.POST)
    try:
        submit(annotation=annotation, by=request.user, sheet=typed)
    except Refused as refusal:
        return _refused(request, annotation_id, str(refusal))
    return JsonResponse({"next": _next(annotation)}) if _by_script(request) else redirect(_next(annotation))


def _refused(request: SignedIn, annotation_id: UUID, sentence: str) -> HttpResponse:
    """Everything typed comes back, as the draft that the service kept."""
    again = _readable(request, annotation_id)
    if _by_script(request):
        return JsonResponse({"sentence": sentence, "number": again.annotation.draft_number}, status=422)
    again.trouble = sentence
    return _page(request, again, status=422)


def _page(request: SignedIn, found: Sheet, status: int = 200) -> HttpResponse:
    return render(request, PAGE, {"sheet": found, "examinations": examination_names()}, status=status)


def _readable(request: SignedIn, annotation_id: UUID) -> Sheet:
    found = sheet_of(annotation_id, request.user)
    if found is None:
        raise Http404("There is no such sheet, or it is not yours.")
    return found


def _own(request: SignedIn, annotation_id: UUID) -> Annotation:
    """The row without what the sheet shows of it: enough to write to it."""
    mine = Annotation.objects.visible_to(request.user).filter(annotator=request.user, origin=AnnotationOrigin.PERSON)
    return get_object_or_404(mine.select_related("item__queue"), pk=annotation_id)


def _sheet(annotation: Annotation, data: Mapping[str, Any]) -> dict[str, Any]:
    if annotation.item.other_id is not None:
        return preference_sheet(data, swapped=annotation.swapped)
    return rubric_sheet(data)


def _reserved(annotation: Annotation, request: SignedIn) -> str:
    """Takes up again what ran out; the sentence that says that somebody else has it now."""
    lapsed = annotation.reserved_until is not None and annotation.reserved_until <= timezone.now()
    if not lapsed and annotation.status != "expired":
        return ""
    try:
        queues.renew(annotation=annotation, by=request.user)
    except Refused as refusal:
        return str(refusal)
    return ""


def _next(annotation: Annotation) -> str:
    return reverse("sheet_next") + f"?queue={annotation.item.queue_id}"


def _queue(request: SignedIn) -> AnnotationQueue | None:
    wanted = request.GET.get("queue", "")
    if not wanted:
        return None
    try:
        return get_object_or_404(AnnotationQueue.objects.visible_to(request.user), pk=UUID(wanted))
    except ValueError as error:
        raise Http404("There is no such queue.") from error


def _by_script(request: HttpRequest) -> bool:
    return request.headers.get("Accept", "").startswith("application/json")


def _clock() -> str:
    return timezone.localtime().strftime("%H:%M:%S")
