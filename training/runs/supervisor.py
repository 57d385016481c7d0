"""Supervises one run on a worker: claims it, watches its trainer as a child process, writes the one outcome.

The child has a session of its own under a keeper (clinic.local.processes), so that neither a killed worker nor a
killed trainer leaves a process behind. Nothing is written without the fence of the claim.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction

from clinic.local.problem import LocalProblem
from clinic.local.processes import Child, Keeper
from clinic.services.errors import Refused
from training import outbox
from training.rundir import RunFolderError
from training.runs import devices, environment, folder, outcome
from training.runs.asking import TASK
from training.runs.following import Lines, ends, tail
from training.runs.lease import Held, LostLease, claim
from training.runs.memory import kills
from training.runs.sentences import SENTENCES

log = logging.getLogger(__name__)
TICK = 1.0
DEVICES_EVERY = 5.0
GRACE = 20.0
"""Seconds a trainer has to write its checkpoint after SIGTERM."""
MOST_TAKEOVERS = 5
MARK = "ROUNDS_RUN"
stopping = threading.Event()
"""Set when this worker is asked to stop (training.tasks): the run is given back with its checkpoint."""


class GivenBack(Exception):
    """The worker stops; somebody else goes on."""


class Cancelled(Exception):
    """A person cancelled before or while the trainer ran."""


def execute(run_id: UUID | str) -> None:
    """Supervise the run to its end, if it can be claimed; a second delivery, or one too late, does nothing."""
    held = claim(run_id)
    if held is None:
        return
    try:
        with closing(Keeper(state_file=None, variable=MARK)) as keeper:
            _work(held, keeper)
    except LostLease:
        log.warning("run %s was taken over; what this worker had is dropped", run_id)
    except Cancelled:
        _last_word(held, lambda: outcome.cancelled(held))
    except GivenBack:
        _hand_on(held)
    except (SystemExit, KeyboardInterrupt):
        _hand_on(held)
        raise
    except (Refused, RunFolderError, LocalProblem) as problem:
        reason = str(problem)
        _last_word(held, lambda: outcome.fail(held, reason))
    except Exception as error:
        reason = SENTENCES["internal"].format(kind=type(error).__name__)
        _last_word(held, lambda: outcome.fail(held, reason))
        raise


def _work(held: Held, keeper: Keeper) -> None:
    if held.takeovers() > MOST_TAKEOVERS:
        raise Refused(SENTENCES["stopped_often"].format(times=held.takeovers()))
    watch = Watch(held)
    watch.doing("looking at the training environment")
    output = folder.output_of(held)
    python = environment.python(keeper, output, beat=watch.beat)
    watch.doing("writing the run folder")
    prepared = folder.prepare(held)
    processes = int(held.run.config.get("processes", 1))
    command = environment.command(python, held.run.trainer, prepared.path, resume=prepared.resume, processes=processes)
    killed_before = kills()
    child = keeper.spawn(command, env=environment.variables(), log=output, cwd=settings.BASE_DIR)
    try:
        code = watch.follow(child, prepared.path, output)
    finally:
        child.stop(grace=0)
    if code:
        text = tail(output)
        raise RunFolderError(outcome.why_it_broke_off(code, text, out_of_memory=kills() > killed_before))
    watch.doing("checking the run folder")
    try:
        manifest = outcome.verified(prepared.path, beat=watch.beat)
    except RunFolderError as problem:
        raise RunFolderError(SENTENCES["manifest"].format(why=problem)) from problem
    watch.doing("registering the version")
    outcome.succeed(held, prepared.path, manifest)


class Watch:
    """Beats for the run and tells its row what the trainer does; rides out a short absence of the database."""

    def __init__(self, held: Held) -> None:
        self.held = held
        self._beaten = time.monotonic()
        self._waiting: list[dict[str, Any]] = []

    def doing(self, text: str) -> None:
        self.beat(doing=text)

    def beat(self, **changes: Any) -> None:
        """Raises Cancelled, GivenBack, LostLease."""
        if self._renew(changes):
            raise Cancelled
        if stopping.is_set():
            raise GivenBack

    def follow(self, child: Child, path: Path, output: Path) -> int:
        """The exit code of the trainer, its lines and logs told meanwhile. Raises Cancelled, GivenBack, LostLease."""
        lines, looked, asked_at = Lines(path / "metrics.jsonl"), 0.0, 0.0
        wish: type[Exception] | None = None
        logs = (path / "log.txt", output)
        self._renew({"doing": "training", "child_pid": child.pid})
        while (code := child.poll()) is None:
            time.sleep(TICK)
            told = self._told(lines, logs)
            if time.monotonic() - looked > DEVICES_EVERY:
                told["device"], looked = devices.table(child.pid), time.monotonic()
            if self._renew(told):
                wish = wish or Cancelled
            if stopping.is_set():
                wish = wish or GivenBack
            if wish and not asked_at:
                # The trainer alone is asked: it writes its checkpoint, and ends what it started itself.
                child.ask_to_stop()
                asked_at = time.monotonic()
                self._renew({"doing": "stopping: the trainer writes its checkpoint"})
            if asked_at and time.monotonic() - asked_at > GRACE:
                child.kill_rest()
        cancelled = self._renew(self._told(lines, logs))
        if wish or cancelled:
            raise wish or Cancelled
        return code

    def _told(self, lines: Lines, logs: tuple[Path, Path]) -> dict[str, Any]:
        run, changes = self.held.run, dict[str, Any]()
        self._waiting += lines.new()
        if self._waiting:
            step = max(line["step"] for line in self._waiting)
            changes |= {"step": step, "steps": max(run.steps, step, *map(_planned, self._waiting))}
        text = ends(*logs)
        if text != run.log:
            changes["log"] = text
        return changes

    def _renew(self, changes: dict[str, Any]) -> bool:
        """Whether the run is to be cancelled; False while the database is away and the lease may still be ours."""
        try:
            asked = self.held.beat(self._waiting, **changes)
        except (OperationalError, InterfaceError) as error:
            connection.close()
            if time.monotonic() - self._beaten > settings.RUN_LEASE_SECONDS:
                raise LostLease("the database was away for longer than the lease") from error
            return False
        self._waiting, self._beaten = [], time.monotonic()
        return asked


def _planned(line: dict[str, Any]) -> int:
    """The number of steps, where the trainer's lines say it."""
    told = line.get("steps")
    return told if isinstance(told, int) and 0 < told < 2**31 else 0


def _hand_on(held: Held) -> None:
    """The lease ends and another worker is told."""
    with transaction.atomic():
        held.give_back()
        outbox.put(task=TASK, arguments=[str(held.run.pk)])


def _last_word(held: Held, write: Any) -> None:
    try:
        write()
    except LostLease:
        log.warning("run %s was taken over before its end could be written", held.run.pk)
