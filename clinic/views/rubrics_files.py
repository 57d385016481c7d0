"""Rubrics as files, from and to the page."""

from __future__ import annotations

import tempfile
from pathlib import Path
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.text import slugify
from django.views.decorators.http import require_POST

from agents.rubric_formats import WRITERS
from clinic.rubric_access import Access
from clinic.services import rubric_files
from clinic.services.errors import Refused
from clinic.views.access import SignedIn, annotation_only
from clinic.views.rubrics import own_site, visible


@annotation_only
@require_POST
def rubric_import(request: SignedIn) -> HttpResponse:
    """Drafts from an uploaded file; what was rejected is listed with the reasons."""
    upload = request.FILES.get("file")
    if upload is None or upload.size is None or upload.size > rubric_files.FILE_BYTES:
        messages.error(request, f"Choose a file of at most {rubric_files.FILE_BYTES // 1_000_000} MB.")
        return redirect("rubric_list")
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        for chunk in upload.chunks():
            file.write(chunk)
        file.flush()
        try:
            report = rubric_files.import_file(
                format=request.POST.get("format", ""),
                path=Path(file.name),
                site=own_site(request),
                by=request.user,
                name=(upload.name or "file")[:200],
            )
        except Refused as refusal:
            said = str(refusal).replace(Path(file.name).name, upload.name or "The file")
            messages.error(request, said)
            return redirect("rubric_list")
    return render(request, "clinic/annotation/rubric_import.html", {"report": report, "file": upload.name})


@annotation_only
def rubric_export(request: SignedIn, version_id: UUID) -> HttpResponse:
    version = visible(request, version_id)
    format_name = request.GET.get("format", "rounds")
    if format_name not in WRITERS or Access(version, request.user).writes_alone:
        raise Http404("There is no such file.")
    try:
        text = rubric_files.export(versions=[version], format=format_name, by=request.user, site=own_site(request))
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("rubric", version.pk)
    kind, ending = ("application/fhir+json", "json") if format_name == "fhir" else ("application/jsonl", "jsonl")
    answer = HttpResponse(text, content_type=f"{kind}; charset=utf-8")
    name = f"rubric-{slugify(version.rubric.title)[:60] or 'rubric'}-v{version.number}-{format_name}.{ending}"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
