"""Doors for the worker. Truth is in rows: every task may run twice, late, or not at all."""

from __future__ import annotations

import asyncio

from celery import shared_task

from clinic.services import endpoints
from clinic.streaming import recovery


@shared_task
def recover_turns() -> int:
    """Asked for where a turn was opened by a process that produces none; how many were produced here."""
    return asyncio.run(recovery.recover_once())


@shared_task
def probe_endpoints() -> int:
    """One decoded token from every active endpoint; how many answered."""
    return endpoints.probe_all()
