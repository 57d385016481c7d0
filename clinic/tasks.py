"""Doors for the worker. Truth is in rows: every task may run twice, late, or not at all."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from celery import shared_task
from celery.signals import worker_ready
from django.core.cache import caches
from django.utils import timezone

from clinic.models import Site
from clinic.services import confidence, endpoints, queues, rubric_drafts, versions, virtual_clinic, webhooks
from clinic.streaming import recovery


@shared_task
def recover_turns() -> int:
    """Asked for where a turn was opened by a process that produces none; how many were produced here."""
    return asyncio.run(recovery.recover_once())


@shared_task
def probe_endpoints() -> int:
    """One decoded token from every active endpoint; how many answered."""
    return endpoints.probe_all()


@shared_task
def serve_what_is_named() -> bool:
    """Every ten seconds: at a first start the weights are made after the pages are there; whether an agent serves."""
    return versions.serve_what_is_named()


@shared_task
def open_case_banks() -> int:
    """The case bank at every site that lacks it; how many cases were added."""
    return sum(virtual_clinic.open_bank(site=site, by=None) for site in Site.objects.all())


@shared_task
def check_knowledge() -> bool:
    """Every gate of the present knowledge, unless its values are kept already; whether all hold."""
    return virtual_clinic.check_knowledge().holds


@shared_task
def draft_turn(turn_id: int) -> int:
    """Further answers to one turn's question, behind everybody who waits; how many could be read."""
    return confidence.draw(turn_id)


@shared_task
def draft_rubric(version_id: str) -> int:
    """A model's draft of one rubric version; how many criteria it has."""
    return rubric_drafts.draw(version_id)


@shared_task
def expire_reservations() -> int:
    """Once a minute (settings, CELERY_BEAT_SCHEDULE): reservations of queue items that ran out; how many."""
    return queues.expire()


@shared_task
def deliver_webhooks() -> None:
    """What is due, also once a minute (settings, CELERY_BEAT_SCHEDULE); what failed is tried again at its time."""
    again = webhooks.deliver()
    soon = again is not None and again < timezone.now() + timedelta(minutes=1)
    # Once for each moment: runs that find the same row waiting would otherwise grow in number from minute to minute.
    if again is not None and soon and caches["shared"].add(f"webhooks-at:{again.timestamp()}", 1, timeout=120):
        deliver_webhooks.apply_async(eta=again, ignore_result=True)


@worker_ready.connect
def deliver_what_waits(**signal: object) -> None:
    """A worker that starts looks for what another one left."""
    deliver_webhooks.delay()
