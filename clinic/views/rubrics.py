"""Rubrics: the list, a new one, and the page of a version, to be read or edited by whoever's turn it is."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Count, OuterRef, Q, Subquery
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from agents.knowledge.conditions import vocabulary
from agents.rubric_formats import READERS, WRITERS
from clinic.models import (
    Axis,
    Case,
    Role,
    Rubric,
    RubricFlow,
    RubricScope,
    RubricStatus,
    RubricVersion,
    Site,
    User,
)
from clinic.rubric_access import Access
from clinic.rubric_lint_rows import problems
from clinic.rubric_page import Line, lines_of, panel_of
from clinic.services import rubric_drafts, rubrics
from clinic.services.errors import Refused
from clinic.views.access import SignedIn, annotation_only
from clinic.views.paging import page_of

CASES = 100
OPEN = (RubricStatus.WRITING, RubricStatus.REVIEW, RubricStatus.WEIGHING)
FORMAT_NAMES = {
    "rounds": "Rounds (JSON Lines)",
    "fhir": "FHIR R4 Questionnaire",
    "healthbench": "HealthBench rows",
    "primock57": "PriMock57 checklists",
    "diagbench": "DiagBench rubrics",
}


@annotation_only
def rubric_list(request: SignedIn) -> HttpResponse:
    words = request.GET.get("q", "").strip()[:200]
    away = bool(request.GET.get("archived"))
    rows = listed(request.user).filter(archived_at__isnull=not away)
    if words:
        rows = rows.filter(Q(title__icontains=words) | Q(case__title__icontains=words))
    context = {
        "page": page_of(rows, request),
        "q": words,
        "away": away,
        "groups": {key: group.name for key, group in vocabulary().groups.items()},
        "formats": [(name, FORMAT_NAMES[name]) for name in READERS],
    }
    return render(request, "clinic/annotation/rubric_list.html", context)


def listed(user: User) -> Any:
    """Rubrics with the version in force and the one being made, in one query."""
    versions = RubricVersion.objects.filter(rubric=OuterRef("pk"))
    in_force = versions.filter(status=RubricStatus.PUBLISHED)
    being_made = versions.filter(status__in=OPEN).order_by("-number")
    newest = versions.order_by("-number")
    used = Count("versions__annotations", filter=Q(versions__annotations__status="submitted"))
    return (
        Rubric.objects.visible_to(user)
        .select_related("case")
        .annotate(
            force_id=Subquery(in_force.values("pk")[:1]),
            force_number=Subquery(in_force.values("number")[:1]),
            open_id=Subquery(being_made.values("pk")[:1]),
            open_number=Subquery(being_made.values("number")[:1]),
            open_status=Subquery(being_made.values("status")[:1]),
            newest_id=Subquery(newest.values("pk")[:1]),
            judged=used,
        )
    )


@annotation_only
def rubric_new(request: SignedIn) -> HttpResponse:
    if request.method == "POST":
        try:
            return redirect("rubric", _made(request).pk)
        except Refused as refusal:
            return _new(request, str(refusal), 422)
    return _new(request)


def _new(request: SignedIn, trouble: str = "", status: int = 200) -> HttpResponse:
    given = request.POST or request.GET
    chosen = _case(request, given.get("case", ""))
    newest = list(Case.objects.visible_to(request.user).only("id", "title", "kind")[:CASES])
    context = {
        "trouble": trouble,
        "given": given,
        "scope": given.get("scope") or ("case" if chosen else "complaint"),
        "start": given.get("start") or "blank",
        "flow": given.get("flow") or "single",
        "chosen": chosen,
        "cases": [chosen, *(case for case in newest if case != chosen)] if chosen else newest,
        "groups": vocabulary().groups.values(),
        "scopes": RubricScope.choices,
        "flows": RubricFlow.choices,
        "has_model": rubric_drafts.is_configured(),
    }
    return render(request, "clinic/annotation/rubric_new.html", context, status=status)


def _made(request: SignedIn) -> RubricVersion:
    """Empty, from the knowledge, or asked of a model."""
    posted = request.POST
    scope, title = posted.get("scope", ""), posted.get("title", "")
    about: dict[str, Any] = {"case": _case(request, posted.get("case", ""))} if scope == RubricScope.CASE else {}
    if scope == RubricScope.COMPLAINT:
        about["group"] = posted.get("group", "")
    start = posted.get("start", "blank")
    if start == "rules":
        return rubric_drafts.by_rules(by=request.user, title=title, scope=scope, **about)
    if start == "model":
        return rubric_drafts.by_model(by=request.user, title=title, case=about.get("case"))
    return rubrics.create(by=request.user, title=title, scope=scope, flow=posted.get("flow", ""), **about)


def _case(request: SignedIn, given: str) -> Case | None:
    try:
        return Case.objects.visible_to(request.user).filter(pk=UUID(given)).first()
    except ValueError:
        return None


@annotation_only
def rubric(request: SignedIn, version_id: UUID) -> HttpResponse:
    return page(request, visible(request, version_id))


def visible(request: SignedIn, version_id: UUID) -> RubricVersion:
    """The version, where it is this person's site's; 404 else."""
    found = (
        RubricVersion.objects.filter(pk=version_id, rubric__in=Rubric.objects.visible_to(request.user))
        .select_related("rubric__case", "rubric__site", "published_by", "created_by")
        .first()
    )
    if found is None:
        raise Http404("There is no such rubric at your site.")
    return found


def own_site(request: SignedIn) -> Site:
    if request.user.site is None:
        raise Http404("You belong to no site.")
    return request.user.site


def page(
    request: SignedIn, version: RubricVersion, *, trouble: str = "", typed: Line | None = None, status: int = 200
) -> HttpResponse:
    """A version as this person may see it; `typed` is what could not be saved, kept in its form."""
    access = Access(version, request.user)
    criteria = list(access.criteria())
    found = problems(version, criteria)
    if trouble:
        messages.error(request, trouble)
    context = {
        "version": version,
        "rubric": version.rubric,
        "access": access,
        "lines": lines_of(access, criteria, found, typed),
        "added": typed if typed and not typed.key else None,
        "problems": found,
        "whole": [problem for problem in found if not problem.criterion],
        "serious": sum(problem.serious for problem in found),
        "total": sum(row.points for row in criteria if row.kept and row.points > 0),
        "penalties": sum(row.points for row in criteria if row.kept and row.points < 0),
        "versions": version.rubric.versions.all(),
        "group": _group(version),
        "axes": Axis.choices,
        "panel": panel_of(access),
        "empty_example": [{"text": "", "verdict": "met"}],
        "people": _physicians(request) if access.is_panel and version.is_open else [],
        "formats": [(name, FORMAT_NAMES[name]) for name in WRITERS],
        "stuck": rubric_drafts.is_stuck(version) if version.source.get("state") == "waiting" else False,
        "may_assign": request.user.may_run_queues or version.created_by_id == request.user.pk,
    }
    return render(request, "clinic/annotation/rubric.html", context, status=status)


def _group(version: RubricVersion) -> str:
    group = vocabulary().groups.get(version.rubric.complaint_group)
    return group.name if group else version.rubric.complaint_group


def _physicians(request: SignedIn) -> list[User]:
    roles = (Role.ANNOTATOR, Role.ADJUDICATOR)
    return list(User.objects.filter(site=request.user.site_id, role__in=roles, is_active=True))
