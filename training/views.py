"""Evaluations of the site: the list, one with its tables and pictures, its consultations, and two compared."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.shortcuts import render

from clinic.services.errors import Refused
from clinic.views.access import SignedIn
from clinic.views.paging import page_of
from training import comparing, tables
from training.models import CaseEnd, EvaluatedEpisode, Evaluation, Protocol
from training.reading import consultation
from training.standings import standings


def evaluation_list(request: SignedIn) -> HttpResponse:
    mine = Evaluation.objects.visible_to(request.user)
    page = page_of(mine.select_related("by"), request)
    table = standings(mine) if page.number == 1 and page.rows else None
    return render(request, "training/evaluation_list.html", {"page": page, "table": table})


def evaluation_compare(request: SignedIn) -> HttpResponse:
    """`?of=CANDIDATE&of=BASELINE`; what cannot be compared is said in a sentence."""
    try:
        compared = comparing.compare_chosen(user=request.user, numbers=request.GET.getlist("of"))
    except Refused as refused:
        return render(request, "training/evaluation_compare.html", {"sentence": str(refused)}, status=422)
    context = {"compared": compared, "rows": tables.difference_rows(compared.measures)}
    return render(request, "training/evaluation_compare.html", context)


def evaluation_beside(request: SignedIn, candidate: int, baseline: int, number: int) -> HttpResponse:
    pair = comparing.beside(user=request.user, numbers=(candidate, baseline), number=number)
    if pair is None:
        raise Http404("These evaluations have no such case in common, or are not open to you.")
    columns = [
        {"row": row, "evaluation": row.evaluation, "turns": consultation(row, column=name)}
        for name, row in (("a", pair.candidate), ("b", pair.baseline))
    ]
    context = {"columns": columns, "row": pair.candidate, "evaluation": pair.candidate.evaluation}
    return render(request, "training/evaluation_beside.html", context)


def evaluation_detail(request: SignedIn, evaluation_id: int) -> HttpResponse:
    evaluation = Evaluation.objects.visible_to(request.user).filter(pk=evaluation_id).first()
    if evaluation is None:
        raise Http404("There is no such evaluation, or it is not open to you.")
    asked = request.GET.get("ended", "")
    context = {
        "evaluation": evaluation,
        "ends": None if evaluation.protocol == Protocol.SINGLE_TURN else evaluation.episodes.by_end(),
        "ended": asked if asked in CaseEnd.values else "",
        "page": page_of(evaluation.episodes.that_ended(asked).defer("episode", "result"), request),
        "others": comparing.comparable(evaluation),
        **tables.tables_of(evaluation),
    }
    return render(request, "training/evaluation_detail.html", context)


def evaluation_episode(request: SignedIn, evaluation_id: int, number: int) -> HttpResponse:
    visible = Evaluation.objects.visible_to(request.user)
    found = (
        EvaluatedEpisode.objects.filter(evaluation__in=visible, evaluation=evaluation_id, number=number)
        .select_related("evaluation")
        .first()
    )
    if found is None:
        raise Http404("There is no such consultation in this evaluation, or it is not open to you.")
    context = {"row": found, "evaluation": found.evaluation, "turns": consultation(found)}
    return render(request, "training/evaluation_episode.html", context)
