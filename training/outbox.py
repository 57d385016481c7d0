"""Tasks wanted by a transaction: a row with it, sent after its commit, and again until the broker has it."""

from __future__ import annotations

import logging
from typing import Any

from celery import current_app
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from training.models import OutboxMessage

log = logging.getLogger(__name__)
AT_ONCE = 100
"""Messages sent by one look into the outbox."""


def put(*, task: str, arguments: list[Any]) -> OutboxMessage:
    """A message of the caller's transaction: sent if and only if that stands, perhaps twice."""
    message = OutboxMessage.objects.create(task=task, arguments=arguments)
    transaction.on_commit(lambda: _try(message.pk))
    return message


def flush() -> int:
    """Send what waits, oldest first; how many were sent. Without a broker everything stays where it is."""
    waiting = list(OutboxMessage.objects.filter(sent_at=None).values_list("pk", flat=True)[:AT_ONCE])
    sent = 0
    for number in waiting:
        if not _try(number):
            break
        sent += 1
    return sent


def _try(number: int) -> bool:
    """Whether the message is out; the row is locked meanwhile, so that two senders do not send it both."""
    with transaction.atomic():
        message = (
            OutboxMessage.objects.select_for_update(no_key=True, skip_locked=True)
            .filter(pk=number, sent_at=None)
            .first()
        )
        if message is None:
            return True
        try:
            current_app.send_task(message.task, args=message.arguments, ignore_result=True, retry=False)
        except OperationalError:
            log.warning("no broker: %s waits", message)
            return False
        OutboxMessage.objects.filter(pk=number).update(sent_at=timezone.now())
    return True
