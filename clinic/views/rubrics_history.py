"""Two versions beside each other, and older annotations under a newer version."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import render

from clinic.models import RubricStatus, RubricVersion
from clinic.rubric_access import Access
from clinic.rubric_history import Piece, differences, older_annotations, rescored, words
from clinic.views.access import SignedIn, annotation_only
from clinic.views.paging import page_of
from clinic.views.rubrics import visible


@annotation_only
def rubric_diff(request: SignedIn, version_id: UUID) -> HttpResponse:
    """Against the version that `with` names, or the one before."""
    version = visible(request, version_id)
    others = [other for other in version.rubric.versions.prefetch_related("criteria") if other.pk != version.pk]
    asked = request.GET.get("with", "")
    number = int(asked) if asked.isdecimal() and len(asked) < 6 else None
    older = next((o for o in others if (o.number == number if number else o.number < version.number)), None)
    if older is None:
        raise Http404("There is no such version to compare with.")
    old, new = sorted((older, version), key=lambda one: one.number)
    if any(Access(one, request.user).writes_alone for one in (old, new)):
        raise Http404("A version is compared when both authors have finished.")
    found = differences(old, new)
    context = {
        "version": version,
        "rubric": version.rubric,
        "old": old,
        "new": new,
        "others": others,
        "differences": found,
        "counts": {kind: sum(one.kind == kind for one in found) for kind in ("added", "removed", "changed", "same")},
        "guideline": _words(old, new),
    }
    return render(request, "clinic/annotation/rubric_diff.html", context)


def _words(old: RubricVersion, new: RubricVersion) -> tuple[Piece, ...]:
    return words(old.guideline, new.guideline) if old.guideline != new.guideline else ()


@annotation_only
def rubric_rescore(request: SignedIn, version_id: UUID) -> HttpResponse:
    """Old score beside new score, a page at a time; the originals are untouched."""
    version = visible(request, version_id)
    if version.status not in (RubricStatus.PUBLISHED, RubricStatus.RETIRED):
        raise Http404("Older annotations are scored by published versions only.")
    shown = page_of(older_annotations(version, request.user), request)
    context = {"version": version, "rubric": version.rubric, "page": shown, "rows": rescored(version, shown.rows)}
    return render(request, "clinic/annotation/rubric_rescore.html", context)
