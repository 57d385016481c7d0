"""Who may write a run: one claim at a time, each with a higher fence; whoever lost it writes nothing any more."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from clinic.models import StatusChange
from training.models import Run, RunMetric, RunStatus


class LostLease(Exception):
    """Another worker holds the run now, or it has ended."""


def claim(run_id: UUID | str) -> Held | None:
    """The run for this process, if it waits or its holder went silent; None otherwise. The database's clock decides."""
    free = Q(status=RunStatus.QUEUED) | Q(status=RunStatus.RUNNING, lease_until__lt=Now())
    with transaction.atomic():
        run = Run.objects.select_for_update(no_key=True, skip_locked=True, of=("self",)).filter(free, pk=run_id).first()
        if run is None:
            return None
        reason = f"taken over from {run.worker}" if run.status == RunStatus.RUNNING else ""
        run.move_to(
            RunStatus.RUNNING,
            by=None,
            reason=reason,
            fence=run.fence + 1,
            lease_until=_until(),
            heartbeat_at=Now(),
            worker=worker_name(),
            started_at=run.started_at or timezone.now(),
            finished_at=None,
            child_pid=None,
            error="",
        )
        run.refresh_from_db()
    return Held(run, run.fence)


@dataclass(slots=True)
class Held:
    """A claimed run; every write names the fence of its claim."""

    run: Run
    fence: int

    def beat(self, lines: Iterable[Mapping[str, Any]] = (), **changes: Any) -> bool:
        """Renew the lease and write what is new, together; whether a person wants the run cancelled. Or LostLease."""
        with transaction.atomic():
            held = Run.objects.filter(pk=self.run.pk, fence=self.fence, status=RunStatus.RUNNING)
            if not held.update(lease_until=_until(), heartbeat_at=Now(), **changes):
                raise LostLease(f"run {self.run.pk} is no longer held with fence {self.fence}")
            # One statement takes a step once: lines that wait for the database may hold it again, with more in it.
            last = {line["step"]: line for line in lines}
            rows = [RunMetric(run=self.run, step=step, values=line, at=timezone.now()) for step, line in last.items()]
            if rows:
                RunMetric.objects.bulk_create(
                    rows, update_conflicts=True, unique_fields=["run", "step"], update_fields=["values", "at"]
                )
            asked = Run.objects.filter(pk=self.run.pk).values_list("cancel_asked_at", flat=True).get()
        for name, value in changes.items():
            setattr(self.run, name, value)
        return asked is not None

    def forget_after(self, step: int) -> None:
        """Metrics of steps that will be done again."""
        with self.settled() as run:
            run.metrics.filter(step__gt=step).delete()

    @contextmanager
    def settled(self) -> Iterator[Run]:
        """The row, locked for the transaction that ends the run or changes what belongs to it. Or LostLease."""
        with transaction.atomic():
            mine = Run.objects.select_for_update(no_key=True, of=("self",)).filter(
                pk=self.run.pk, fence=self.fence, status=RunStatus.RUNNING
            )
            run = mine.select_related("site", "by", "snapshot", "start").first()
            if run is None:
                raise LostLease(f"run {self.run.pk} is no longer held with fence {self.fence}")
            yield run

    def give_back(self) -> None:
        """Let the next worker have it at once, to go on from the last checkpoint."""
        told = {"lease_until": Now() - timedelta(seconds=1), "doing": "waits for a worker", "child_pid": None}
        Run.objects.filter(pk=self.run.pk, fence=self.fence, status=RunStatus.RUNNING).update(**told)

    def takeovers(self) -> int:
        """How often a worker stopped in the middle since a person last asked for this run."""
        moves = list(StatusChange.objects.filter(noun="run", target=str(self.run.pk)).order_by("id"))
        since = max((n for n, move in enumerate(moves) if move.new == RunStatus.QUEUED), default=-1)
        return sum(move.old == RunStatus.RUNNING and move.new == RunStatus.RUNNING for move in moves[since + 1 :])


def worker_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _until() -> Any:
    return Now() + timedelta(seconds=settings.RUN_LEASE_SECONDS)
