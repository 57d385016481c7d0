"""Files of what was judged and may be learned, for those who keep the queues."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from clinic.annotation_files import why_not
from clinic.blindness import readable_by
from clinic.fhir.questionnaire_response import response_of
from clinic.models import Annotation, AnnotationStatus
from clinic.services import annotation_exports, audit
from clinic.services.errors import Refused
from clinic.views.access import SignedIn, queue_keepers_only
from clinic.views.paging import page_of

WORDS = {
    "sft": ("SFT", "Turns that were accepted, and corrections in place of those that were not"),
    "dpo": ("DPO", "A correction against what the agent wrote; a preferred consultation against the other"),
    "kto": ("KTO", "What the agent wrote, with whether it was right"),
    "grpo": ("GRPO", "Cases to play, with physicians’ criteria, points and verdicts"),
    "csv": ("CSV", "Every verdict and preference, one a line"),
    "jsonl": ("JSON Lines", "Whole annotations, which import_annotations reads again without loss"),
}


@queue_keepers_only
def learning_exports(request: SignedIn) -> HttpResponse:
    """The formats, and the newest annotations as FHIR."""
    page = page_of(_readable(request).order_by("-submitted_at", "pk"), request)
    formats = [(name, *WORDS[name]) for name in annotation_exports.FORMATS]
    context = {"formats": formats, "page": page, "rows": [(row, why_not(row)) for row in page.rows]}
    return render(request, "clinic/annotation/learning_exports.html", context)


@require_POST
@queue_keepers_only
def learning_export(request: SignedIn, format: str) -> HttpResponse:
    """One file; what was left out and why is the first thing that its log entry and its headers say."""
    if request.user.site is None or format not in annotation_exports.FORMATS:
        raise Http404("There is no such format.")
    try:
        written = annotation_exports.write(site=request.user.site, format=format, by=request.user)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("learning_exports")
    if request.POST.get("count"):
        return render(request, "clinic/annotation/_learning_counts.html", {"counts": written.counts, "format": format})
    answer = HttpResponse(written.text, written.type)
    answer["Content-Disposition"] = f'attachment; filename="{written.name}"'
    answer["Cache-Control"] = "no-store"
    return answer


@require_GET
@queue_keepers_only
def learning_annotation_fhir(request: SignedIn, annotation_id: UUID) -> HttpResponse:
    found = _readable(request).prefetch_related("ratings__criterion", "preferences")
    annotation = found.filter(pk=annotation_id).first()
    if annotation is None or why_not(annotation):
        raise Http404("There is no such annotation, or it is not open to you.")
    audit.record(
        by=request.user, action="annotation.exported", noun="annotation", target=annotation.pk, data={"form": "fhir"}
    )
    answer = JsonResponse(
        response_of(annotation), json_dumps_params={"indent": 1}, content_type="application/fhir+json"
    )
    answer["Content-Disposition"] = f'attachment; filename="rounds-{str(annotation.pk)[:8]}.fhir.json"'
    answer["Cache-Control"] = "no-store"
    return answer


def _readable(request: SignedIn) -> QuerySet[Annotation]:
    """Submitted, and nothing that would sway who reads it."""
    rows = Annotation.objects.visible_to(request.user).filter(status=AnnotationStatus.SUBMITTED)
    related = ("annotator", "feedback", "rubric_version__rubric", "item__queue__site", "item__consultation__case")
    return rows.filter(readable_by(request.user)).select_related(*related)
