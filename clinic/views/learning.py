"""Feedback on its way to training: what is approved, what each annotator weighs, and what became of one's own."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.db.models import CharField, Count, Exists, OuterRef, Prefetch, QuerySet, Subquery, Sum
from django.db.models.functions import Cast
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from clinic.blindness import readable_by
from clinic.influence import CAP
from clinic.influence_of import influence_at
from clinic.influence_rows import people_of, table_of
from clinic.learnable import WHY_NOT, cases_of, forbids, look_up, why_not
from clinic.models import (
    Annotation,
    Feedback,
    FeedbackKind,
    FeedbackStatus,
    FeedbackUse,
    ModelVersion,
    Site,
    StatusChange,
    User,
)
from clinic.services import approval
from clinic.services.approval import Decided
from clinic.services.errors import Refused
from clinic.views.access import SignedIn, adjudicators_only, queue_keepers_only
from clinic.views.paging import page_of

VERBS: dict[str, tuple[Callable[..., Decided], str]] = {
    "approve": (approval.approve, "approved"),
    "quarantine": (approval.quarantine, "quarantined"),
    "release": (approval.release, "released"),
}
FIRST = FeedbackStatus.PROPOSED


@adjudicators_only
def learning_review(request: SignedIn) -> HttpResponse:
    """What waits for a decision, or what was decided, by kind, giver and policy."""
    chosen = _chosen(request)
    judged = Annotation.objects.filter(feedback=OuterRef("pk")).exclude(readable_by(request.user))
    page = page_of(_with_reason(_narrowed(request.user, chosen)).annotate(unread=Exists(judged)), request)
    look_up(case for row in page.rows for case in cases_of(row))
    context = {
        "page": page,
        "rows": [(row, WHY_NOT.get(forbids(row), "")) for row in page.rows],
        "chosen": chosen,
        "kinds": FeedbackKind.choices,
        "states": FeedbackStatus.choices,
        "people": User.objects.filter(feedback__site=request.user.site_id).distinct(),
        "versions": ModelVersion.objects.filter(feedback__site=request.user.site_id).distinct(),
    }
    return render(request, "clinic/annotation/learning_review.html", context)


@require_POST
@adjudicators_only
def learning_decide(request: SignedIn) -> HttpResponse:
    """One verb for all chosen rows; what stayed as it was is said."""
    verb, done = VERBS.get(request.POST.get("verb", ""), (None, ""))
    if verb is None:
        raise Http404("There is no such decision.")
    try:
        _tell(request, verb(ids=_ids(request), by=request.user, reason=request.POST.get("reason", "")), done)
    except Refused as refusal:
        messages.error(request, str(refusal))
    back = request.POST.get("query", "")
    return redirect(f"{reverse('learning_review')}?{back}" if back else reverse("learning_review"))


@queue_keepers_only
def learning_influence(request: SignedIn) -> HttpResponse:
    """Who differs from all others, and what every criterion would be without each annotator."""
    found = influence_at(_site(request))
    context = {"found": found, "cap": CAP, "people": people_of(found, _open_rows(request.user))}
    if request.htmx and request.GET.get("part") == "flagged":
        return render(request, "clinic/annotation/_learning_flags.html", context)
    return render(request, "clinic/annotation/learning_influence.html", {**context, "table": table_of(found)})


@require_POST
@adjudicators_only
def learning_quarantine(request: SignedIn, person_id: int) -> HttpResponse:
    """Everything of one flagged annotator, because a person decided so."""
    reason = request.POST.get("reason", "")
    try:
        _tell(request, approval.quarantine_all_of(annotator=person_id, by=request.user, reason=reason), "quarantined")
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("learning_influence")


def learning_at_work(request: SignedIn) -> HttpResponse:
    """What became of everything that the signed-in person gave."""
    mine = Feedback.objects.visible_to(request.user).filter(by=request.user)
    used = Prefetch("uses", FeedbackUse.objects.select_related("model_version").order_by("-at"))
    page = page_of(_with_reason(mine).prefetch_related(used), request)
    look_up(case for row in page.rows for case in cases_of(row))
    versions = list(
        ModelVersion.objects.filter(feedback_uses__feedback__by=request.user)
        .annotate(rows=Count("feedback_uses"), weight=Sum("feedback_uses__weight"))
        .order_by("-created_at")[:8]
    )
    context = {
        "page": page,
        "rows": [(row, WHY_NOT.get(why_not(row), "")) for row in page.rows],
        "versions": versions,
        "counts": _counts(mine),
    }
    return render(request, "clinic/annotation/learning_at_work.html", context)


def _site(request: SignedIn) -> Site:
    if request.user.site is None:
        raise Http404("You belong to no site.")
    return request.user.site


def _chosen(request: SignedIn) -> dict[str, str]:
    asked = {name: request.GET.get(name, "") for name in ("kind", "by", "policy")}
    return {**asked, "state": request.GET.get("state", str(FIRST))}


def _narrowed(user: User, chosen: dict[str, str]) -> QuerySet[Feedback]:
    rows = Feedback.objects.visible_to(user)
    if chosen["state"] in FeedbackStatus.values:
        rows = rows.filter(status=chosen["state"])
    if chosen["kind"] in FeedbackKind.values:
        rows = rows.filter(kind=chosen["kind"])
    if chosen["by"].isdecimal() and len(chosen["by"]) < 10:
        rows = rows.filter(by=int(chosen["by"]))
    return rows.filter(model_version__version=chosen["policy"]) if chosen["policy"] else rows


def _with_reason(rows: QuerySet[Feedback]) -> QuerySet[Feedback]:
    """Newest first, each with why it was last decided upon."""
    changes = StatusChange.objects.filter(noun="feedback", target=OuterRef("text_id")).order_by("-id")
    return (
        rows.annotate(text_id=Cast("pk", CharField()))
        .annotate(decided_because=Subquery(changes.values("reason")[:1]))
        .select_related("by", "turn", "model_version", "consultation__case", "annotation__item__other__case")
        .order_by("-at", "pk")
    )


def _ids(request: SignedIn) -> list[UUID]:
    try:
        return [UUID(one) for one in request.POST.getlist("row")[: approval.MOST + 1]]
    except ValueError as error:
        raise Refused(approval.SAYS["nothing_chosen"]) from error


def _tell(request: SignedIn, decided: Decided, done: str) -> None:
    said = f"{decided.done} {done}."
    if decided.without_consent:
        said += f" {decided.without_consent} of them without consent: not exported unless their giver allows it."
    if decided.stayed:
        said += f" Left as they were: {'; '.join(decided.stayed)}."
    (messages.success if decided.done else messages.warning)(request, said)


def _counts(mine: QuerySet[Feedback]) -> dict[str, int]:
    rows = mine.order_by().values("status").annotate(n=Count("pk"))
    return {row["status"]: row["n"] for row in rows}


def _open_rows(user: User) -> dict[int, int]:
    """Per person, what could still be quarantined."""
    rows = Feedback.objects.visible_to(user).filter(status__in=approval.FROM["quarantined"])
    return dict(rows.order_by().values_list("by").annotate(n=Count("pk")))
