"""Outside systems: who may call by CDS Hooks, and what they reported back."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import Count, Q
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from clinic import hooks
from clinic.models import CdsClient
from clinic.services import cds
from clinic.services.errors import Refused
from clinic.views.access import SignedIn, admins_only


@admins_only
def integrations(request: SignedIn) -> HttpResponse:
    typed = {}
    if request.method == "POST":
        typed = {name: request.POST.get(name, "") for name in ("name", "issuer", "keys")}
        try:
            cds.register(by=request.user, **typed)
        except Refused as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, f"{typed['name']} may call now.")
            return redirect("integrations")
    counts = {name: Count("cards", filter=Q(cards__outcome=name)) for name in ("accepted", "overridden")}
    clients = CdsClient.objects.filter(site=request.user.site).annotate(given=Count("cards"), **counts)
    address = request.build_absolute_uri(reverse("cds_discovery"))
    context = {"clients": clients, "typed": typed, "address": address, "service": f"{address}/{hooks.SERVICE}"}
    return render(request, "clinic/integrations.html", context, status=422 if typed else 200)


@require_POST
@admins_only
def integration_switch(request: SignedIn, client_id: int) -> HttpResponse:
    client = CdsClient.objects.filter(pk=client_id, site=request.user.site).select_related("site").first()
    if client is None:
        raise Http404("There is no such system at your site.")
    cds.switch(by=request.user, client=client, active=request.POST.get("active") == "1")
    return redirect("integrations")
