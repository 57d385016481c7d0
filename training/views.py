"""Evaluations of the site: the list, one with its tables and pictures, and one of its consultations."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.shortcuts import render

from clinic.views.access import SignedIn
from clinic.views.paging import page_of
from training import tables
from training.models import EvaluatedEpisode, Evaluation
from training.reading import consultation


def evaluation_list(request: SignedIn) -> HttpResponse:
    rows = Evaluation.objects.visible_to(request.user).select_related("by")
    return render(request, "training/evaluation_list.html", {"page": page_of(rows, request)})


def evaluation_detail(request: SignedIn, evaluation_id: int) -> HttpResponse:
    evaluation = Evaluation.objects.visible_to(request.user).filter(pk=evaluation_id).first()
    if evaluation is None:
        raise Http404("There is no such evaluation, or it is not open to you.")
    context = {
        "evaluation": evaluation,
        "page": page_of(evaluation.episodes.defer("episode", "result"), request),
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
