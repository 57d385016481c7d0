"""The audit log of a site, and whether its chain is whole."""

from __future__ import annotations

from django.db.models import Q
from django.http import HttpResponse

from clinic.models import AuditEntry
from clinic.services import audit
from clinic.views.access import SignedIn, admins_only
from clinic.views.paging import page_of, render_list


@admins_only
def audit_log(request: SignedIn) -> HttpResponse:
    words = request.GET.get("q", "").strip()[:200]
    rows = AuditEntry.objects.filter(Q(site=request.user.site_id) | Q(site=None)).order_by("-seq")
    for word in words.split():
        rows = rows.filter(Q(action__icontains=word) | Q(actor_name__icontains=word) | Q(target__icontains=word))
    context = {"page": page_of(rows, request), "q": words}
    if request.GET.get("verify"):
        # Reads the whole log, every site's, so only when asked.
        context["ok"], context["rows"], context["first_bad"] = audit.verify()
        context["verified"] = True
    return render_list(request, "clinic/audit_log.html", context)
