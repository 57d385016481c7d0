"""Kills at five points of a run leave exactly one version and one set of consumed feedback, and no process."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from clinic.models import AuditEntry, FeedbackUse, ModelVersion, User
from clinic.services import versions
from tests.training.runs import workers
from tests.training.runs.factories import ask, make_snapshot
from tests.training.runs.workers import fresh, wait_until
from training import runs
from training.models import OutboxMessage, Run, RunStatus, Snapshot
from training.runs import recovery

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.drill]
STEPS = 12


@pytest.fixture(autouse=True)
def short_lease(settings) -> None:
    settings.RUN_LEASE_SECONDS = workers.LEASE


@contextmanager
def worker(run: Run) -> Iterator[object]:
    process = workers.start(run)
    try:
        yield process
    finally:
        workers.kill(process)


def killed_when_claimed(run: Run) -> None:
    with worker(run):
        wait_until(lambda: fresh(run).status == RunStatus.RUNNING, "the claim")


def killed_before_a_checkpoint(run: Run) -> None:
    with worker(run):
        wait_until(lambda: fresh(run).child_pid, "the trainer")


def killed_in_the_middle(run: Run) -> None:
    with worker(run):
        wait_until(lambda: fresh(run).step >= 5, "five steps")


def trainer_killed(run: Run) -> None:
    """The trainer alone: its supervisor says so, and a person resumes the run."""
    process = workers.start(run)
    wait_until(lambda: fresh(run).step >= 5, "five steps")
    os.kill(fresh(run).child_pid, signal.SIGKILL)
    process.wait(30)
    held = fresh(run)
    assert held.status == RunStatus.FAILED
    assert "signal 9" in held.error
    runs.resume(run=held, by=held.by)


def killed_in_the_last_transaction(run: Run) -> None:
    """The adapter is copied, the version written, nothing committed."""
    with workers.advisory_lock(versions.LOCK), worker(run):
        wait_until(lambda: workers.waiters(versions.LOCK), "the registration")
        assert not ModelVersion.objects.filter(manifest__run=str(run.pk)).exists()


POINTS: list[Callable[[Run], None]] = [
    killed_when_claimed,
    killed_before_a_checkpoint,
    killed_in_the_middle,
    trainer_killed,
    killed_in_the_last_transaction,
]


@pytest.mark.parametrize("strike", POINTS, ids=lambda point: point.__name__)
def test_a_kill_leaves_exactly_one_version(admin: User, strike, drill_count) -> None:
    snapshot = make_snapshot(admin)
    for seed in range(drill_count(1, 20)):
        _strike(admin, snapshot, strike, seed)


def _strike(admin: User, snapshot: Snapshot, strike: Callable[[Run], None], seed: int) -> None:
    run = runs.start(
        site=admin.site,
        by=admin,
        trainer="sft",
        snapshot=snapshot,
        config={"steps": STEPS, "pace": 0.1, "child": True},
        seed=seed,
    )
    strike(run)
    wait_until(lambda: not workers.trainers(run), "the trainer to be gone", seconds=20)
    OutboxMessage.objects.all().delete()
    wait_until(lambda: recovery.recover() or fresh(run).status != RunStatus.RUNNING, "the lease to run out")
    runs.execute(run.pk)
    run = fresh(run)
    assert run.status == RunStatus.SUCCEEDED, run.error
    assert ModelVersion.objects.filter(manifest__run=str(run.pk)).get() == run.version
    uses = FeedbackUse.objects.filter(model_version=run.version)
    assert uses.count() == snapshot.feedback_rows.count() > 0
    assert AuditEntry.objects.filter(action="run.succeeded", target=str(run.pk)).count() == 1
    assert [row.step for row in run.metrics.all()] == list(range(1, STEPS + 1))


def test_a_holder_that_slept_writes_nothing_when_it_wakes(admin: User) -> None:
    run = ask(admin, steps=30, pace=0.1)
    zombie = workers.start(run)
    try:
        wait_until(lambda: fresh(run).step >= 3, "three steps")
        zombie.send_signal(signal.SIGSTOP)
        wait_until(recovery.recover, "the lease to run out")
        runs.execute(run.pk)
        done = fresh(run)
        before = AuditEntry.objects.count()
        zombie.send_signal(signal.SIGCONT)
        zombie.wait(30)
    finally:
        if zombie.poll() is None:
            workers.kill(zombie)
    after = fresh(run)
    assert done.status == RunStatus.SUCCEEDED
    assert (after.fence, after.folder, after.version, after.log) == (done.fence, done.folder, done.version, done.log)
    assert AuditEntry.objects.count() == before
    assert not workers.trainers(run)


def test_two_workers_at_once_run_it_once(admin: User) -> None:
    run = ask(admin, pace=0.1)
    pair = [workers.start(run) for _ in range(2)]
    assert [process.wait(60) for process in pair] == [0, 0]
    assert fresh(run).status == RunStatus.SUCCEEDED
    assert fresh(run).fence == 1
    assert AuditEntry.objects.filter(action="run.succeeded").count() == 1
