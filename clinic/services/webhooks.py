"""What outside systems are told of: an annotation that is in is a row for each address first, and sent after that."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from celery import current_app
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Min
from django.utils import timezone
from kombu.exceptions import OperationalError

from clinic import webhook_sender
from clinic.models import Annotation, Site, User, Webhook, WebhookDelivery
from clinic.services import audit
from clinic.services.errors import Refused
from clinic.webhook_sender import NotDelivered

log = logging.getLogger(__name__)
COMPLETED, TEST = "annotation.completed", "webhook.test"
TASK = "clinic.tasks.deliver_webhooks"
PAUSES = tuple(timedelta(seconds=s) for s in (30, 120, 600, 3600, 6 * 3600))
"""Between tries; after the last one it is given up, and the page says so."""
MOST_TRIES = len(PAUSES) + 1
DIED = "Given up: nobody lived to say what became of the last try."
LEASE = timedelta(seconds=90)
"""A row in work belongs to one worker for so long; if that one died, another sends it again with the same id."""
AT_ONCE = 100
SAYS = {
    "admins": "Only an administrator of the site sets up webhooks.",
    "twice": "That address is there already. Switch it on, or remove nothing: its secret stays what it was.",
    "off": "It is switched off. Switch it on first; nothing was sent.",
}


@transaction.atomic
def announce(*, annotation: Annotation) -> int:
    """A delivery for each active address of the site, in the caller's transaction; how many were written."""
    hooks = list(Webhook.objects.filter(site=annotation.item.queue.site_id, active=True))
    if hooks:
        _write(hooks, COMPLETED, told(annotation))
    return len(hooks)


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


def add(*, by: User, url: str) -> Webhook:
    """An address of the administrator's own site, with a new secret that is shown once."""
    site = _site_of(by)
    try:
        webhook_sender.check(url.strip(), internal=settings.INTERNAL_HOSTS)
        with transaction.atomic():
            made = Webhook.objects.create(site=site, url=url.strip(), secret=secrets.token_hex(32), created_by=by)
            _audit(by, made, "added")
    except NotDelivered as refusal:
        raise Refused(f"{refusal} Nothing was kept.") from refusal
    except IntegrityError as error:
        raise Refused(SAYS["twice"]) from error
    return made


@transaction.atomic
def switch(*, by: User, webhook: Webhook, active: bool) -> None:
    """Off, what still waits is given up; on, only what comes from now on is sent."""
    _own(by, webhook)
    Webhook.objects.filter(pk=webhook.pk).update(active=active)
    if not active:
        waiting = WebhookDelivery.objects.filter(webhook=webhook, due_at__isnull=False)
        waiting.update(due_at=None, error="Switched off before it was sent.")
    _audit(by, webhook, "switched_on" if active else "switched_off")


@transaction.atomic
def test(*, by: User, webhook: Webhook) -> WebhookDelivery:
    """A message that says nothing but that it is a test."""
    _own(by, webhook)
    if not webhook.active:
        raise Refused(SAYS["off"])
    (row,) = _write([webhook], TEST, {"test": True})
    _audit(by, webhook, "tested")
    return row


def deliver(*, now: datetime | None = None) -> datetime | None:
    """Everything that is due, one after the other; when the next of all rows that wait is due, whoever tried it."""
    tried: list[int] = []
    while len(tried) < AT_ONCE and (row := _claim(now or timezone.now(), besides=tried)):
        tried.append(row.pk)
        try:
            status = _send(row)
            error = "" if 200 <= status < 300 else _refusal(status)
        except NotDelivered as failure:
            error = str(failure)
        _settle(row, error)
    return WebhookDelivery.objects.aggregate(next=Min("due_at"))["next"]


def _write(hooks: list[Webhook], event: str, payload: dict[str, Any]) -> list[WebhookDelivery]:
    due = timezone.now()
    rows = [WebhookDelivery(webhook=hook, event=event, payload=payload, due_at=due) for hook in hooks]
    made = WebhookDelivery.objects.bulk_create(rows)
    transaction.on_commit(_wake)
    return made


def _wake() -> None:
    """The rows are the truth: if the queue is away, the next announcement or a worker's start sends them."""
    try:
        current_app.send_task(TASK, ignore_result=True, retry=False)
    except OperationalError:
        log.warning("the queue is away: webhooks wait until a worker looks for them")


def _claim(now: datetime, *, besides: Sequence[int] = ()) -> WebhookDelivery | None:
    """The row due longest, but for `besides`; counted as tried first: a worker that dies in it cannot try for ever."""
    with transaction.atomic():
        due = WebhookDelivery.objects.select_for_update(no_key=True, skip_locked=True, of=("self",)).filter(
            due_at__lte=now
        )
        WebhookDelivery.objects.filter(pk__in=due.filter(tries__gte=MOST_TRIES)).update(due_at=None, error=DIED)
        row = due.exclude(pk__in=besides).select_related("webhook").order_by("due_at", "pk").first()
        if row is not None:
            row.tries += 1
            row.due_at = now + LEASE
            row.save(update_fields=["tries", "due_at"])
    return row


def _send(row: WebhookDelivery) -> int:
    body = json.dumps({"id": row.pk, "event": row.event, "at": row.at.isoformat(), **row.payload}).encode()
    at = int(timezone.now().timestamp())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Rounds-Webhook/1",
        "Rounds-Event": row.event,
        "Rounds-Delivery": str(row.pk),
        "Rounds-Signature": webhook_sender.sign(row.webhook.secret, at, body),
    }
    return webhook_sender.send(row.webhook.url, body, headers, internal=settings.INTERNAL_HOSTS)


def _refusal(status: int) -> str:
    return f"It answered {status}" + (", a redirect, which is not followed." if 300 <= status < 400 else ".")


def _settle(row: WebhookDelivery, error: str) -> None:
    """Delivered, due again, or given up."""
    now = timezone.now()
    pause = PAUSES[row.tries - 1] if error and row.tries <= len(PAUSES) else None
    due = now + pause if pause else None
    mine = WebhookDelivery.objects.filter(pk=row.pk, due_at=row.due_at)  # not if it was switched off meanwhile
    mine.update(due_at=due, delivered_at=None if error else now, error=error[:300])


def _site_of(by: User) -> Site:
    if not by.is_site_admin or by.site is None:
        raise Refused(SAYS["admins"])
    return by.site


def _own(by: User, webhook: Webhook) -> None:
    if _site_of(by).pk != webhook.site_id:
        raise Refused(SAYS["admins"])


def _audit(by: User, webhook: Webhook, what: str) -> None:
    audit.record(
        by=by, action=f"webhook.{what}", noun="webhook", target=webhook.pk, site=by.site, data={"url": webhook.url}
    )
