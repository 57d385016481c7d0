"""One item of a queue: who has judged it or is about to, and what its keeper may do about that."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from clinic.models import Annotation, AnnotationOrigin, QueueItem, User
from clinic.queue_progress import annotators_of, judgements_shown
from clinic.services import queues
from clinic.services.errors import Refused
from clinic.views.access import SignedIn, queue_keepers_only


@queue_keepers_only
@require_safe
def queue_item(request: SignedIn, item_id: UUID) -> HttpResponse:
    item = _item(request, item_id)
    annotations = list(item.annotations.select_related("annotator", "assigned_by"))
    mine = {one.status for one in annotations if one.annotator_id == request.user.pk}
    context = {
        "item": item,
        "queue": item.queue,
        "annotations": annotations,
        "names_hidden": (item.queue.blind or item.other_id is not None) and bool(mine & set(queues.IN_WORK)),
        "shown": set(judgements_shown(item=item, user=request.user).values_list("pk", flat=True)),
        "people": list(annotators_of(request.user)),
    }
    return render(request, "clinic/annotation/queue_item.html", context)


@queue_keepers_only
@require_POST
def queue_assign(request: SignedIn, item_id: UUID) -> HttpResponseRedirect:
    item, to = _item(request, item_id), _person(request)
    done = "Assigned. It waits for them until it is done or declined."
    return _do(request, item, done, lambda: queues.assign(item=item, to=to, by=request.user))


@queue_keepers_only
@require_POST
def queue_reassign(request: SignedIn, annotation_id: UUID) -> HttpResponseRedirect:
    annotation, to = _annotation(request, annotation_id), _person(request)
    return _do(
        request,
        annotation.item,
        "Given to somebody else.",
        lambda: queues.reassign(annotation=annotation, to=to, by=request.user),
    )


@queue_keepers_only
@require_POST
def queue_send_back(request: SignedIn, annotation_id: UUID) -> HttpResponseRedirect:
    annotation, reason = _annotation(request, annotation_id), request.POST.get("reason", "")
    return _do(
        request,
        annotation.item,
        "Sent back. It is the next one that its annotator sees.",
        lambda: queues.send_back(annotation=annotation, by=request.user, reason=reason),
    )


def _do(request: SignedIn, item: QueueItem, done: str, verb: Callable[[], object]) -> HttpResponseRedirect:
    try:
        verb()
        messages.success(request, done)
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("queue_item", item.pk)


def _item(request: SignedIn, item_id: UUID) -> QueueItem:
    items = QueueItem.objects.filter(queue__site=request.user.site_id, consultation__case__deleted_at=None)
    items = items.select_related(
        "queue", "consultation__case", "consultation__model_version", "other__model_version", "repeat_of"
    )
    return get_object_or_404(items.select_related("rubric_version__rubric"), pk=item_id)


def _annotation(request: SignedIn, annotation_id: UUID) -> Annotation:
    rows = Annotation.objects.visible_to(request.user).filter(origin=AnnotationOrigin.PERSON).select_related("item")
    return get_object_or_404(rows, pk=annotation_id, item__consultation__case__deleted_at=None)


def _person(request: SignedIn) -> User | None:
    wanted = request.POST.get("to", "")
    return annotators_of(request.user).filter(pk=int(wanted)).first() if wanted.isdecimal() else None
