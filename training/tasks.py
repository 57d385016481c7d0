"""Doors for the worker. Truth is in rows: every task may run twice, late, or not at all."""

from __future__ import annotations

from celery import shared_task
from celery.signals import worker_shutting_down

from training import drift, gates, judging, outbox, runs, serving
from training.runs import recovery, schedules, supervisor
from training.serving import shadowing


@shared_task(name=judging.TASK)
def judge(run_id: int) -> int:
    """A judge's run on a queue; how many items it wrote."""
    return judging.execute(run_id=run_id)


@shared_task
def run(run_id: str) -> None:
    """A training run on the gpu queue, from its claim to its outcome."""
    runs.execute(run_id)


@shared_task
def send_outbox() -> int:
    """Every ten seconds: messages whose sending failed; how many went out."""
    return outbox.flush()


@shared_task
def recover_runs() -> int:
    """Every half minute: runs that wait with nobody at work on them; how many were sent again."""
    return recovery.recover()


@shared_task
def look_at_schedules() -> int:
    """Every minute: schedules whose time has come; how many runs began."""
    return schedules.look_at_all()


@shared_task(name=gates.TASK)
def gate(gate_id: int) -> str:
    """A gate on the gpu queue, from its claim to its verdict."""
    return gates.execute(gate_id)


@shared_task
def recover_gates() -> int:
    """Every minute: gates whose worker went silent; how many were sent again."""
    return gates.recover()


@shared_task
def check_identities() -> dict[str, bool]:
    """Every minute: whether each version that serves answers as itself."""
    return serving.watch()


@shared_task
def shadow_turn(turn_id: int) -> str:
    """What the version in shadow answers to a turn that another one took."""
    return shadowing.answer(turn_id)


@shared_task
def watch_drift() -> int:
    """Every day: whether who comes and what the agent does are as they were; how many alarms are open for it."""
    return drift.watch_all()


@worker_shutting_down.connect
def give_runs_back(**signal: object) -> None:
    """A worker that stops lets its trainer write a checkpoint; the next worker goes on from there."""
    supervisor.stopping.set()
