"""Cases: the list, and one case."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Count, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpResponse
from django.shortcuts import render

from clinic.blindness import judged_blindly
from clinic.models import Case, CaseKind, Consultation, ConsultationStatus
from clinic.views.access import SignedIn
from clinic.views.paging import page_of, render_list

BANK = "bank"
"""The filter that shows the five hundred virtual patients nobody has called in; elsewhere they would bury the rest."""


def case_list(request: SignedIn) -> HttpResponse:
    words, kind = request.GET.get("q", "").strip()[:200], request.GET.get("kind", "")
    mine = Consultation.objects.visible_to(request.user).filter(case=OuterRef("pk")).order_by()
    rows = (
        Case.objects.visible_to(request.user)
        .defer("sheet", "answer", "history", "extra")
        .annotate(
            held=Coalesce(Subquery(mine.values("case").annotate(n=Count("pk")).values("n")), 0),
            latest=Subquery(mine.order_by("-created_at").values("status")[:1]),
            latest_id=Subquery(mine.order_by("-created_at").values("pk")[:1]),
        )
    )
    for word in words.split():
        rows = rows.filter(Q(title__icontains=word) | Q(complaint__icontains=word) | Q(key__icontains=word))
    bank = Q(origin="virtual", created_by=None)
    rows = rows.filter(bank) if kind == BANK else rows.exclude(bank & Q(consultations=None))
    if kind in CaseKind.values:
        rows = rows.filter(kind=kind)
    page = page_of(rows, request)
    return render_list(
        request,
        "clinic/case_list.html",
        {"page": page, "q": words, "kind": kind, "kinds": [*CaseKind.choices, (BANK, "Case bank")]},
    )


def case_detail(request: SignedIn, case_id: UUID) -> HttpResponse:
    case = visible_case(request, case_id)
    held = list(
        Consultation.objects.visible_to(request.user)
        .filter(case=case)
        .select_related("clinician", "model_version")
        .annotate(policy_hidden=judged_blindly(request.user))[:50]
    )
    revealed = any(c.status == ConsultationStatus.CLOSED and c.clinician_id == request.user.pk for c in held)
    findings = case.findings.filter(consultation=None)
    return render(
        request,
        "clinic/case_detail.html",
        {"case": case, "consultations": held, "findings": findings, "answer": case.answer if revealed else ""},
    )


def visible_case(request: SignedIn, case_id: UUID | str) -> Case:
    try:
        case = Case.objects.visible_to(request.user).filter(pk=UUID(str(case_id))).first()
    except ValueError:
        case = None
    if case is None:
        raise Http404("There is no such case, or it is not open to you.")
    return case
