"""How far the physicians of a queue agree, and what waits for an adjudicator."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Count, Exists, F, OuterRef, Q
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from clinic.models import Annotation, AnnotationQueue, QueueKind
from clinic.services import adjudication
from clinic.services import agreement as service
from clinic.views.access import SignedIn, queue_keepers_only
from clinic.views.paging import page_of


@queue_keepers_only
@require_GET
def agreement(request: SignedIn) -> HttpResponse:
    """What waits for an adjudicator, and the queues whose agreement can be read."""
    waiting = adjudication.waiting(request.user).select_related("queue", "consultation__case", "rubric_version__rubric")
    chosen = request.GET.get("queue", "")
    queues = list(AnnotationQueue.objects.visible_to(request.user).filter(kind=QueueKind.RUBRIC)[:50])
    one = next((queue for queue in queues if str(queue.pk) == chosen), None)
    context = {"page": page_of(waiting.filter(queue=one) if one else waiting, request), "queues": queues, "chosen": one}
    return render(request, "clinic/annotation/agreement.html", context)


@queue_keepers_only
@require_GET
def agreement_queue(request: SignedIn, queue_id: UUID) -> HttpResponse:
    queue = AnnotationQueue.objects.visible_to(request.user).filter(pk=queue_id).first()
    if queue is None:
        raise Http404("There is no such queue, or it is not open to you.")
    context = {"queue": queue, "found": service.of_queue(queue), "smallest": service.SMALLEST, **_counts(queue)}
    return render(request, "clinic/annotation/agreement_queue.html", context)


def _counts(queue: AnnotationQueue) -> dict[str, int]:
    """How many items are complete, and how many of those wait to be settled; gold never does."""
    complete = Q(submitted__gte=F("wanted"), consultation__case__deleted_at=None)
    settled = Exists(Annotation.objects.filter(item=OuterRef("pk"), authoritative=True))
    rows = queue.items.annotate(settled=settled)
    return rows.aggregate(
        complete=Count("pk", filter=complete), waiting=Count("pk", filter=complete & Q(settled=False, gold=False))
    )
