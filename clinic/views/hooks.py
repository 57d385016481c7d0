"""The addresses of CDS Hooks: discovery, the patient-view service, its feedback."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from clinic import hooks

BODY_BYTES = 1_000_000


@login_not_required
@require_GET
def discovery(request: HttpRequest) -> HttpResponse:
    answer = JsonResponse(hooks.DISCOVERY)
    answer["Access-Control-Allow-Origin"] = "*"
    return answer


@csrf_exempt
@login_not_required
@require_POST
def service(request: HttpRequest, service: str) -> HttpResponse:
    """Cards for a patient whose chart is opened elsewhere."""
    return _answer(request, service, lambda client, body: _cards(request, client, body))


@csrf_exempt
@login_not_required
@require_POST
def feedback(request: HttpRequest, service: str) -> HttpResponse:
    """What became of cards given out before."""
    return _answer(request, service, _feedback)


def _answer(request: HttpRequest, service: str, answer: Any) -> HttpResponse:
    if service != hooks.SERVICE:
        return _trouble(404, f"There is no service {service[:80]}.")
    try:
        client = hooks.caller(request.headers.get("Authorization", ""), audience=request.build_absolute_uri())
    except hooks.Unauthorised as error:
        refused = _trouble(401, str(error))
        refused["WWW-Authenticate"] = "Bearer"
        return refused
    if len(request.body) > BODY_BYTES:
        return _trouble(413, "The request is larger than 1 MB.")
    try:
        body = json.loads(request.body)
    except ValueError:
        return _trouble(400, "The request is not JSON.")
    if not isinstance(body, dict):
        return _trouble(400, "The request is not a JSON object.")
    return answer(client, body)


def _cards(request: HttpRequest, client: Any, body: dict[str, Any]) -> HttpResponse:
    if body.get("hook") != "patient-view" or not isinstance(body.get("context"), dict):
        return _trouble(400, "The service answers the hook patient-view, with its context.")
    return JsonResponse({"cards": hooks.cards(client=client, body=body, links=_links(request))})


def _feedback(client: Any, body: dict[str, Any]) -> HttpResponse:
    given = body.get("feedback")
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        return _trouble(400, "The request has no list named feedback.")
    return JsonResponse({"known": hooks.report(client=client, feedback=given[:100])})


def _links(request: HttpRequest) -> hooks.Links:
    return hooks.Links(
        consultation=request.build_absolute_uri(reverse("consultation_list")) + "{id}/",
        intake=request.build_absolute_uri(reverse("case_new")),
        source=request.build_absolute_uri("/"),
    )


def _trouble(status: int, sentence: str) -> HttpResponse:
    return JsonResponse({"error": sentence}, status=status)
