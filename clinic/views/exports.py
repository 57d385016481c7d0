"""What leaves the product about a consultation: the note, the PDF, the FHIR bundle. Each is audited."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from clinic.fhir import bundle_of
from clinic.models import Consultation
from clinic.note import note_of
from clinic.pdf import pdf_of
from clinic.services import audit
from clinic.summary import Summary, summary_of
from clinic.views.access import SignedIn
from clinic.views.consultations import visible_consultation


@require_GET
def consultation_note(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    found, summary = _summary(request, consultation_id)
    return _named(HttpResponse(note_of(summary), "text/plain; charset=utf-8"), found, "txt", inline=True)


@require_GET
def consultation_pdf(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    found, summary = _summary(request, consultation_id, "pdf")
    return _named(HttpResponse(pdf_of(summary), "application/pdf"), found, "pdf")


@require_GET
def consultation_fhir(request: SignedIn, consultation_id: UUID) -> HttpResponse:
    found, summary = _summary(request, consultation_id, "fhir")
    answer = JsonResponse(bundle_of(summary), json_dumps_params={"indent": 1}, content_type="application/fhir+json")
    return _named(answer, found, "fhir.json")


def _summary(request: SignedIn, consultation_id: UUID, form: str = "note") -> tuple[Consultation, Summary]:
    found = visible_consultation(request, consultation_id)
    audit.record(
        by=request.user, action="consultation.exported", noun="consultation", target=str(found.pk), site=found.site,
        data={"form": form},
    )  # fmt: skip
    return found, summary_of(found, at=timezone.now())


def _named(answer: HttpResponse, found: Consultation, ending: str, *, inline: bool = False) -> HttpResponse:
    answer["Content-Disposition"] = (
        f'{"inline" if inline else "attachment"}; filename="rounds-{str(found.pk)[:8]}.{ending}"'
    )
    answer["Cache-Control"] = "no-store"
    return answer
