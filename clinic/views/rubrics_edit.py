"""The verbs of a version's page: each one POST that works with and without JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from clinic.models import RubricCriterion, RubricRole, RubricVersion, StaleStatus, User
from clinic.rubric_access import Access
from clinic.rubric_lint_rows import while_typing
from clinic.rubric_page import Line
from clinic.services import rubric_criteria, rubric_drafts, rubric_panel, rubrics
from clinic.services.errors import Refused
from clinic.services.rubric_words import SENTENCES
from clinic.views.access import SignedIn, annotation_only
from clinic.views.rubrics import page, visible

Verb = Callable[[SignedIn, RubricVersion], RubricVersion | None]
POINTS = range(-10, 11)


@annotation_only
@require_POST
def rubric_do(request: SignedIn, version_id: UUID) -> HttpResponse:
    """One step in the life of the version: `do` names it."""
    version = visible(request, version_id)
    verb = _VERBS.get(request.POST.get("do", ""))
    if verb is None:
        raise Http404("There is no such step.")
    try:
        after = verb(request, version)
    except Refused as refusal:
        messages.error(request, str(refusal))
    except StaleStatus:
        messages.error(request, SENTENCES["moved_on"])
    else:
        return redirect("rubric", (after or version).pk)
    return redirect("rubric", version.pk)


def _guideline(request: SignedIn, version: RubricVersion) -> None:
    rubrics.set_guideline(version=version, by=request.user, guideline=request.POST.get("guideline", ""))


def _publish(request: SignedIn, version: RubricVersion) -> None:
    rubrics.publish(version=version, by=request.user, read=bool(request.POST.get("read")))
    messages.success(request, f"{version.rubric.title}, version {version.number}, is in force.")


def _begin(request: SignedIn, version: RubricVersion) -> RubricVersion:
    return rubrics.new_version(rubric=version.rubric, by=request.user)


def _assign(request: SignedIn, version: RubricVersion) -> None:
    given = {role: request.POST.get(f"role-{role}", "") for role in RubricRole.values}
    ids = [int(pk) for pk in given.values() if pk.isdecimal() and len(pk) < 10]
    found = {str(user.pk): user for user in User.objects.filter(site=request.user.site_id, pk__in=ids)}
    people = {role: found[pk] for role, pk in given.items() if pk in found}
    rubric_panel.assign(version=version, by=request.user, people=people)


def _done(request: SignedIn, version: RubricVersion) -> None:
    rubric_panel.done(version=version, by=request.user, note=request.POST.get("note", ""))


def _send_back(request: SignedIn, version: RubricVersion) -> None:
    rubric_panel.send_back(version=version, by=request.user, note=request.POST.get("note", ""))


_VERBS: dict[str, Verb] = {
    "guideline": _guideline,
    "publish": _publish,
    "begin": _begin,
    "discard": lambda request, version: rubrics.discard(version=version, by=request.user),
    "assign": _assign,
    "done": _done,
    "send_back": _send_back,
    "archive": lambda request, version: rubrics.archive(rubric=version.rubric, by=request.user),
    "restore": lambda request, version: rubrics.archive(rubric=version.rubric, by=request.user, away=False),
    "ask": lambda request, version: rubric_drafts.ask_again(version=version, by=request.user),
}


@annotation_only
@require_POST
def rubric_criterion(request: SignedIn, version_id: UUID) -> HttpResponse:
    """One criterion: added without a `key`, else what `do` says. What is refused stays in its form."""
    version = visible(request, version_id)
    key = request.POST.get("key", "")
    row = _criterion(request, version, key) if key else None
    try:
        key = _change(request, version, row)
    except Refused as refusal:
        typed = Line(key, _typed(request), is_open=True)
        return page(request, version, trouble=str(refusal), typed=typed, status=422)
    place = f"#criterion-{key}" if key else "#add"
    return redirect(reverse("rubric", args=[version.pk]) + place)


def _change(request: SignedIn, version: RubricVersion, row: RubricCriterion | None) -> str:
    """The key to show next; "" for the form of another one."""
    by, do = request.user, request.POST.get("do", "save")
    if row is None:
        rubric_criteria.add(version=version, by=by, fields=_typed(request))
        return ""
    if do == "remove":
        rubric_criteria.remove(criterion=row, by=by)
        return ""
    if do in ("up", "down"):
        rubric_criteria.move(criterion=row, by=by, up=do == "up")
    elif do in ("keep", "drop"):
        rubric_criteria.keep(criterion=row, by=by, kept=do == "keep")
    elif do == "merge":
        other = _criterion(request, version, request.POST.get("other", ""))
        rubric_criteria.merge(criterion=row, other=other, by=by, text=request.POST.get("text", ""))
    else:
        rubric_criteria.change(criterion=row, by=by, fields=_typed(request))
    return row.key


def _typed(request: SignedIn) -> dict[str, Any]:
    posted = request.POST
    texts, verdicts = posted.getlist("example"), posted.getlist("example_verdict")
    return {
        "text": posted.get("text", ""),
        "points": posted.get("points", "0"),
        "axis": posted.get("axis", "accuracy"),
        "evidence_required": bool(posted.get("evidence_required")),
        "never": bool(posted.get("never")),
        "per_turn": bool(posted.get("per_turn")),
        "guideline": posted.get("guideline", ""),
        "examples": [
            {"text": text, "verdict": verdict} for text, verdict in zip(texts, verdicts, strict=False) if text.strip()
        ],
    }


def _criterion(request: SignedIn, version: RubricVersion, key: str) -> RubricCriterion:
    found = Access(version, request.user).criteria().filter(key=key).first()
    if found is None:
        raise Http404("There is no such criterion in this version.")
    return found


@annotation_only
@require_POST
def rubric_check(request: SignedIn, version_id: UUID) -> HttpResponse:
    """The lints of what is being typed; asked for a moment after the last key."""
    version = visible(request, version_id)
    access = Access(version, request.user)
    given = request.POST.get("points", "").strip()
    points = int(given) if given.lstrip("-").isdecimal() and len(given) < 4 and int(given) in POINTS else 0
    text = request.POST.get("text", "")[:8000]
    found = while_typing(version, list(access.criteria()), key=request.POST.get("key", ""), text=text, points=points)
    return render(request, "clinic/annotation/rubric_lints.html", {"problems": found, "checked": bool(text.strip())})


@annotation_only
def rubric_state(request: SignedIn, version_id: UUID) -> HttpResponse:
    """A model's draft as it stands; once it is there the page is loaded anew."""
    version = visible(request, version_id)
    context = {"version": version, "stuck": rubric_drafts.is_stuck(version)}
    answer = render(request, "clinic/annotation/rubric_state.html", context)
    if version.source.get("state") != rubric_drafts.WAITING:
        answer["HX-Refresh"] = "true"
    return answer
