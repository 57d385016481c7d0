"""How much room run folders take: old checkpoints of finished runs go first, adapters and manifests stay."""

from __future__ import annotations

import shutil
from pathlib import Path

from django.conf import settings

from clinic.services.errors import Refused
from training import alarms, places
from training.models import Run, RunStatus
from training.runs.sentences import SENTENCES

GB = 1e9
ALARM = "disk"


class DiskFull(Refused):
    """Run folders have reached the quota and nothing is left to remove."""


def used(folder: Path | None = None) -> int:
    """Bytes below the folder of runs, or below another one."""
    total = 0
    for path in (folder or places.runs()).rglob("*"):
        try:
            total += path.lstat().st_size if path.is_file() else 0
        except FileNotFoundError:  # a trainer dropped an old checkpoint meanwhile
            continue
    return total


def make_room(*, keep: Run | None = None) -> int:
    """Bytes freed to stay below TRAINING_DISK_GB; raises DiskFull where that is not enough.

    First the checkpoints of finished runs, which are needed no more; then those of runs that broke off, oldest first.
    """
    quota = settings.TRAINING_DISK_GB * GB
    taken = used()
    freed = 0
    for run in _order(keep):
        if taken - freed < quota:
            break
        freed += forget_checkpoints(run)
    if taken - freed >= quota:
        told = {"used": (taken - freed) / GB, "quota": quota / GB}
        raise DiskFull(SENTENCES["disk"].format(**told))
    return freed


def ring(full: DiskFull) -> None:
    """An alarm of the installation beside the refusal, outside of the transaction that the refusal undoes."""
    alarms.raise_(kind=ALARM, subject="TRAINING_DISK_GB", message=str(full))


def forget_checkpoints(run: Run) -> int:
    """Bytes freed: every checkpoint of a run that has ended, and whole tries that led nowhere."""
    root = places.runs() / str(run.pk)
    before = used(root) if root.is_dir() else 0
    for path in root.glob("*/checkpoints"):
        shutil.rmtree(path)
    if run.status == RunStatus.SUCCEEDED:
        for path in root.iterdir() if root.is_dir() else ():
            if path.is_dir() and path != places.runs() / run.folder:
                shutil.rmtree(path)
    return before - (used(root) if root.is_dir() else 0)


def _order(keep: Run | None) -> list[Run]:
    ended = [RunStatus.SUCCEEDED, RunStatus.CANCELLED, RunStatus.FAILED]
    found = Run.objects.filter(status__in=ended).order_by("finished_at")
    return sorted((run for run in found if run != keep), key=lambda run: run.status != RunStatus.SUCCEEDED)
