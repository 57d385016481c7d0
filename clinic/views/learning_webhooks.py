"""Addresses that are told when an annotation is in, and what became of every message."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from clinic.models import Webhook, WebhookDelivery
from clinic.services import webhooks
from clinic.services.errors import Refused
from clinic.views.access import SignedIn, admins_only

SHOWN = 20


@admins_only
def learning_webhooks(request: SignedIn) -> HttpResponse:
    """The addresses and the last messages; a new address's secret is in the answer to its form alone."""
    made, typed = None, ""
    if request.method == "POST":
        typed = request.POST.get("url", "")
        try:
            made, typed = webhooks.add(by=request.user, url=typed), ""
        except Refused as refusal:
            messages.error(request, str(refusal))
    hooks = Webhook.objects.filter(site=request.user.site_id).order_by("pk")
    sent = WebhookDelivery.objects.filter(webhook__site=request.user.site_id).select_related("webhook")
    context = {"hooks": hooks, "sent": sent[:SHOWN], "made": made, "typed": typed}
    answer = render(request, "clinic/annotation/learning_webhooks.html", context, status=422 if typed else 200)
    answer["Cache-Control"] = "no-store"
    return answer


@require_POST
@admins_only
def learning_webhook_switch(request: SignedIn, webhook_id: int) -> HttpResponse:
    webhooks.switch(by=request.user, webhook=_found(request, webhook_id), active=request.POST.get("active") == "1")
    return redirect("learning_webhooks")


@require_POST
@admins_only
def learning_webhook_test(request: SignedIn, webhook_id: int) -> HttpResponse:
    try:
        webhooks.test(by=request.user, webhook=_found(request, webhook_id))
        messages.success(request, "A test is on its way. Reload to see what became of it.")
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("learning_webhooks")


def _found(request: SignedIn, webhook_id: int) -> Webhook:
    found = Webhook.objects.filter(pk=webhook_id, site=request.user.site_id).first()
    if found is None:
        raise Http404("There is no such address at your site.")
    return found
