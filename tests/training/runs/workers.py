"""Workers as processes of their own on the test's database, to be stopped and killed at a chosen point."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection

from training.models import Run
from training.runs import attempts

LEASE = 2
PROGRAM = """
import sys, django
django.setup()
from training import runs
from training.runs import supervisor
supervisor.TICK = 0.05
runs.execute(sys.argv[1])
"""


def start(run: Run) -> subprocess.Popen[bytes]:
    """Executes the run as the celery task does."""
    address = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    told = {"DATABASE_URL": address, "TRAINER_PYTHON": settings.TRAINER_PYTHON, "RUN_LEASE_SECONDS": str(LEASE)}
    told |= {"DJANGO_SETTINGS_MODULE": "clinic.settings", "PYTHONPATH": str(settings.BASE_DIR)}
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(run.pk)], env=os.environ | told)


def kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def wait_until(holds: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.02)


def fresh(run: Run) -> Run:
    return Run.objects.get(pk=run.pk)


def finished(run: Run) -> bool:
    """Whether a trainer has written its manifest, which is its last word."""
    return any((folder / "manifest.json").is_file() for folder in attempts.all_of(run))


def trainers(run: Run) -> list[int]:
    """Living processes that were started on a folder of this run."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            told = Path(f"/proc/{name}/cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if "doubles/trainer.py" in told and str(run.pk) in told:
            found.append(int(name))
    return found


@contextmanager
def advisory_lock(number: int) -> Iterator[None]:
    """Held by the test: whoever asks for it waits in the middle of a transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [number])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [number])


def waiters(number: int) -> int:
    """Sessions that wait for the lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = %s", [number]
        )
        return int(cursor.fetchone()[0])
