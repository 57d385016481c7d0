"""Runs that nobody works on: the worker was killed, or the message to it was lost. They are sent again."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from training import outbox
from training.models import OutboxMessage, Run, RunStatus
from training.runs.asking import TASK

KEPT = timedelta(days=7)
"""How long messages that went out are kept: a run that waits for hours is sent again and again."""
AGAIN_AFTER = timedelta(minutes=2)
"""A broker forgets its queue when it restarts; a message that only waits behind another run is sent in vain."""


@transaction.atomic
def recover() -> int:
    """Put a message for each run that waits or whose lease ran out, unless one was put lately; how many.

    Messages that went out long ago are forgotten.
    """
    OutboxMessage.objects.filter(sent_at__lt=Now() - KEPT).delete()
    lapsed = Q(status=RunStatus.RUNNING, lease_until__lt=Now())
    waiting = list(Run.objects.filter(lapsed | Q(status=RunStatus.QUEUED)).only("pk", "status", "lease_until"))
    return sum(_send(run) for run in waiting)


def _send(run: Run) -> bool:
    mine = OutboxMessage.objects.filter(task=TASK, arguments=[str(run.pk)])
    lately = Q(created_at__gt=Now() - AGAIN_AFTER) | Q(sent_at=None)
    if run.status == RunStatus.RUNNING:
        # What was sent before the lease ran out has been taken already.
        lately &= Q(created_at__gt=run.lease_until)
    if mine.filter(lately).exists():
        return False
    outbox.put(task=TASK, arguments=[str(run.pk)])
    return True
