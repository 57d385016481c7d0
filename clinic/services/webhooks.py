"""What outside systems are told of: an annotation that is in is a row for each address first, and sent after that."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from clinic.models import Annotation, Webhook, WebhookDelivery

COMPLETED = "annotation.completed"


@transaction.atomic
def announce(*, annotation: Annotation) -> int:
    """A delivery for each active address of the site, in the caller's transaction; how many were written."""
    site = annotation.item.queue.site_id
    payload = told(annotation)
    rows = [
        WebhookDelivery(webhook=webhook, event=COMPLETED, payload=payload, due_at=timezone.now())
        for webhook in Webhook.objects.filter(site=site, active=True)
    ]
    WebhookDelivery.objects.bulk_create(rows)
    return len(rows)


def told(annotation: Annotation) -> dict[str, Any]:
    """Ids and counts: never a word of the patient's or of the annotator's."""
    item = annotation.item
    return {
        "annotation": str(annotation.pk),
        "origin": annotation.origin,
        "item": str(item.pk),
        "queue": str(item.queue_id),
        "consultation": str(item.consultation_id),
        "rubric_version": str(annotation.rubric_version_id) if annotation.rubric_version_id else None,
        "submitted": item.submitted,
        "wanted": item.wanted,
        "ratings": annotation.ratings.count(),
        "preferences": annotation.preferences.count(),
        "submitted_at": annotation.submitted_at.isoformat() if annotation.submitted_at else None,
    }
