"""Snapshots of the site: the list, one, two compared, made and rebuilt; and what learned from a case."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from clinic.services.errors import Refused
from clinic.views.access import SignedIn, admins_only, training_only
from clinic.views.paging import page_of
from training import lineage_pages, snapshot_pages, snapshots
from training.models import Snapshot


@training_only
@require_GET
def snapshot_list(request: SignedIn) -> HttpResponse:
    mine = snapshot_pages.listed(Snapshot.objects.visible_to(request.user))
    page = page_of(mine, request)
    context = {"page": page, "rows": [snapshot_pages.row(one) for one in page.rows]}
    return render(request, "training/snapshot_list.html", context)


@admins_only
@require_POST
def snapshot_make(request: SignedIn) -> HttpResponse:
    """Freeze now; the same feedback leads to the snapshot that is there already."""
    before = Snapshot.objects.visible_to(request.user).count()
    try:
        made = snapshots.make(site=_site(request), by=request.user, name=request.POST.get("name", "").strip())
    except Refused as refused:
        messages.error(request, str(refused))
        return redirect("training:snapshot_list")
    fresh = Snapshot.objects.visible_to(request.user).count() > before
    messages.success(request, "Frozen." if fresh else "Nothing has changed since: this is the snapshot that was there.")
    return redirect("training:snapshot_detail", made.pk)


@training_only
@require_GET
def snapshot_detail(request: SignedIn, snapshot_id: UUID) -> HttpResponse:
    found = _visible(request, str(snapshot_id))
    return render(request, "training/snapshot_detail.html", snapshot_pages.whole(found, request.user))


@admins_only
@require_POST
def snapshot_rebuild(request: SignedIn, snapshot_id: UUID) -> HttpResponse:
    """Without the cases that are ticked or named, and without what may not be learned from any more."""
    found = _visible(request, str(snapshot_id))
    without = [key.strip() for key in request.POST.getlist("without") if key.strip()]
    try:
        made = snapshots.rebuild(snapshot=found, without=without, by=request.user)
    except Refused as refused:
        messages.error(request, str(refused))
        return redirect("training:snapshot_detail", found.pk)
    messages.success(request, "Rebuilt. What it left out is listed below.")
    return redirect("training:snapshot_detail", made.pk)


@training_only
@require_GET
def snapshot_diff(request: SignedIn) -> HttpResponse:
    """`?a=ID&b=ID`, from the first to the second."""
    one, other = (_visible(request, request.GET.get(name, "")) for name in ("a", "b"))
    found = snapshots.diff(one, other)
    context = {"a": one, "b": other, "diff": found, "settings": snapshot_pages.settings_of(found)}
    return render(request, "training/snapshot_diff.html", context)


@training_only
@require_GET
def lineage_case(request: SignedIn) -> HttpResponse:
    """`?case=KEY`, also of a case that was purged since."""
    key = request.GET.get("case", "").strip()
    found = lineage_pages.of_case(key, request.user) if key else None
    if key and found is None:
        raise Http404("There is no such case, or it is not open to you.")
    return render(request, "training/lineage_case.html", {"key": key, "found": found})


def _site(request: SignedIn) -> Any:
    if request.user.site is None:
        raise Http404("You belong to no site.")
    return request.user.site


def _visible(request: SignedIn, name: str) -> Snapshot:
    try:
        wanted = UUID(name)
    except ValueError:
        raise Http404("There is no such snapshot.") from None
    found = Snapshot.objects.visible_to(request.user).select_related("site", "by", "rebuilt_from").filter(pk=wanted)
    snapshot = found.first()
    if snapshot is None:
        raise Http404("There is no such snapshot, or it is not open to you.")
    return snapshot
