"""The judge as an instrument: its runs, and how far it agrees with physicians by one rubric."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Count
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from clinic.models import AnnotationQueue, QueueKind, RubricVersion
from clinic.services.errors import Refused
from clinic.views.access import SignedIn, annotation_only, queue_keepers_only
from training import instrument, judges, judging
from training.instrument import Report
from training.models import JudgeRun
from training.rewards_by_judge import criteria_for_reward

SIDE = 180.0
"""Of the picture of calibration, in its own units."""
NAMES = {"rules": "Rules, without a model", "language": "Model"}


@annotation_only
@require_GET
def judge(request: SignedIn) -> HttpResponse:
    """Runs of the site with how far they are, and the rubrics by which a judge can be compared with physicians."""
    runs = list(JudgeRun.objects.visible_to(request.user).select_related("queue", "by")[:50])
    queues = AnnotationQueue.objects.visible_to(request.user).filter(kind=QueueKind.RUBRIC, closed_at=None)
    rated = RubricVersion.objects.filter(
        rubric__site=request.user.site_id, annotations__origin="judge", annotations__status="submitted"
    )
    versions = rated.annotate(judged=Count("annotations")).select_related("rubric").order_by("-judged", "pk")[:50]
    trouble, offered = _offered()
    context = {
        "runs": [(run, name_of(run.judge), judging.is_alive(run)) for run in runs],
        "queues": list(queues[:200]) if request.user.may_run_queues else [],
        "versions": list(versions),
        "instruments": offered,
        "trouble": trouble,
    }
    return render(request, "training/judge.html", context)


@queue_keepers_only
@require_POST
def judge_start(request: SignedIn) -> HttpResponse:
    """Begin a run, or go on with one."""
    wanted = request.POST.get("queue", "")
    queue = next((row for row in AnnotationQueue.objects.visible_to(request.user) if str(row.pk) == wanted), None)
    if queue is None:
        raise Http404("There is no such queue, or it is not open to you.")
    try:
        judging.start(queue=queue, name=request.POST.get("judge", ""), by=request.user)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, "The judge begins as soon as a worker is free. This page shows how far it is.")
    return redirect("training:judge")


@annotation_only
@require_GET
def judge_version(request: SignedIn, version_id: UUID) -> HttpResponse:
    """One judge by one version; `?judge=N` another one that has rated by it."""
    version = RubricVersion.objects.filter(pk=version_id, rubric__site=request.user.site_id).select_related("rubric")
    found = version.first()
    if found is None:
        raise Http404("There is no such rubric, or it is not open to you.")
    rows = instrument.judgements(found)
    known = instrument.identities(rows)
    number = request.GET.get("judge", "0")
    chosen = int(number) if number.isdecimal() and int(number) < len(known) else 0
    context: dict[str, Any] = {
        "version": found,
        "known": [(n, name_of(one)) for n, one in enumerate(known)],
        "chosen": chosen,
        "floor": instrument.FLOOR,
        "smallest": instrument.SMALLEST,
        "fewest": instrument.FEWEST_SHOWN,
    }
    if known:
        told = instrument.report(found, identity=known[chosen], rows=rows)
        context |= {"report": told, "name": name_of(known[chosen]), "picture": picture(told), "means": means(told)}
        context["rewarded"] = rewarded(found, told)
    return render(request, "training/judge_version.html", context)


def rewarded(version: RubricVersion, report: Report) -> int:
    """How many criteria training gets from this judge; 0 where it is refused."""
    try:
        return len(criteria_for_reward(version, report=report))
    except Refused:
        return 0


def name_of(identity: dict[str, Any]) -> str:
    """A judge's name: what it is, the model, the first characters of its prompts' digest."""
    kind = NAMES.get(str(identity.get("kind")), str(identity.get("kind", "judge")))
    return " ".join(filter(None, [kind, str(identity.get("model", "")), str(identity.get("prompt", ""))[:8]]))


def means(report: Report) -> list[dict[str, Any]]:
    """The three means, each with what it rests on; None where there were too few."""
    scores = report.scores
    rows = [
        ("The judge’s own", scores.judge, f"{scores.judge.labelled} consultations"),
        ("The physicians’ own", scores.physicians, f"{scores.physicians.labelled} consultations"),
        (
            "Corrected by physicians",
            scores.corrected,
            f"{scores.corrected.labelled} of physicians, {scores.corrected.unlabelled} of the judge alone, "
            f"trust {scores.corrected.trust:.2f}",
        ),
    ]
    return [
        {"name": name, "mean": mean if instrument.is_known(mean) else None, "rests": rests}
        for name, mean, rests in rows
    ]


def picture(report: Report) -> list[dict[str, float]]:
    """Points of the reliability picture: stated confidence to the right, agreement with physicians upwards."""
    return [
        {"x": bar.stated * SIDE, "y": SIDE - bar.correct * SIDE, "r": 3 + min(7.0, bar.n / 10), "stated": bar.stated,
         "right": bar.correct, "n": bar.n}
        for bar in report.reliability
    ]  # fmt: skip


def _offered() -> tuple[str, list[judges.Instrument]]:
    """(what is wrong with the settings, the judges that can be asked)."""
    try:
        return "", judges.instruments()
    except Refused as refusal:
        return str(refusal), []
