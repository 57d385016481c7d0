"""Doors for the worker. Truth is in rows: every task may run twice, late, or not at all."""

from __future__ import annotations

from celery import shared_task

from training import judging


@shared_task(name=judging.TASK)
def judge(run_id: int) -> int:
    """A judge's run on a queue; how many items it wrote."""
    return judging.execute(run_id=run_id)
