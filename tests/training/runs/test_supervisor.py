"""A run from its claim to its outcome, with a real child process: success, every way to break off, cancel."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from django.db import connection

from clinic.models import AuditEntry, FeedbackUse, ModelVersion, User, VersionStatus
from tests.training.runs.factories import ask, told
from training import places, runs
from training.models import Alarm, Run, RunStatus
from training.runs import supervisor

pytestmark = pytest.mark.django_db(transaction=True)


def ended(run: Run) -> Run:
    runs.execute(run.pk)
    run.refresh_from_db()
    return run


def test_a_run_ends_with_one_candidate_its_lineage_and_its_history(admin: User) -> None:
    run = ended(ask(admin))
    assert run.status == RunStatus.SUCCEEDED, run.error
    assert run.version is not None
    assert run.version.status == VersionStatus.CANDIDATE
    assert run.version.version.startswith("dx-")
    assert (run.step, run.steps) == (4, 4)
    assert run.lease_until is None
    assert run.child_pid is None
    assert FeedbackUse.objects.filter(model_version=run.version).count() == run.snapshot.feedback_rows.count() > 0
    assert [move.new for move in run.history()] == ["running", "succeeded"]
    assert run.manifest["counts"]["steps"] == 4
    assert (places.adapters() / run.version.version).is_dir()
    assert AuditEntry.objects.filter(action="run.succeeded", target=str(run.pk)).count() == 1


def test_what_the_trainer_writes_is_on_the_row_while_it_works(admin: User) -> None:
    run = ended(ask(admin))
    assert [row.step for row in run.metrics.all()] == [1, 2, 3, 4]
    assert run.metrics.last().values["parts"] == {"accuracy": 1.0, "exam_f1": 0.5}
    assert "finished at step 4" in run.log
    assert run.device["cpu"]["cores"] == os.cpu_count()
    assert run.device["cpu"]["used_mb"] > 5


def test_the_run_folder_says_what_it_was_made_of(admin: User, serving: ModelVersion) -> None:
    run = ended(ask(admin))
    config = told(places.runs() / run.folder / "config.json")
    assert config["run"] == str(run.pk)
    assert config["base"]["content"] == serving.base
    assert config["from"] == serving.version
    assert config["snapshot_of"] == run.snapshot.digest
    assert (places.runs() / run.folder / "data.jsonl").stat().st_size > 0


def test_a_second_delivery_does_nothing(admin: User) -> None:
    run = ended(ask(admin))
    before = AuditEntry.objects.count()
    fence = run.fence
    runs.execute(run.pk)
    run.refresh_from_db()
    assert (AuditEntry.objects.count(), run.fence) == (before, fence)


def test_the_same_run_again_makes_the_same_weights_and_no_second_version(admin: User) -> None:
    first = ended(ask(admin))
    again = ended(runs.clone(run=first, by=admin))
    assert again.status == RunStatus.SUCCEEDED
    assert again.version is None
    assert again.manifest["same_as"] == first.version.version


@pytest.mark.parametrize(
    ("mishap", "words"),
    [
        ({"happens": "exit"}, "The trainer ended itself: The loss is not a number."),
        ({"happens": "oom"}, "accelerator's memory was too small"),
        ({"happens": "sigkill"}, "killed the trainer (signal 9)"),
    ],
)
def test_a_trainer_that_breaks_off_is_a_failed_run_with_its_reason(admin: User, mishap, words) -> None:
    run = ended(ask(admin, at=3, **mishap))
    assert run.status == RunStatus.FAILED
    assert words in run.error
    alarm = Alarm.objects.get()
    assert (alarm.kind, alarm.subject, alarm.site) == ("run", "A run", run.site)
    assert words in alarm.message
    assert run.version is None
    assert not FeedbackUse.objects.exists()


def test_a_manifest_that_does_not_fit_its_files_registers_nothing(admin: User) -> None:
    before = ModelVersion.objects.count()
    run = ended(ask(admin, happens="lie"))
    assert run.status == RunStatus.FAILED
    assert "metrics.jsonl differs from its manifest" in run.error
    assert ModelVersion.objects.count() == before


def test_a_trainer_that_is_not_there_is_named(admin: User, settings) -> None:
    settings.TRAINER_PYTHON = "/nowhere/python"
    run = ended(ask(admin))
    assert run.status == RunStatus.FAILED
    assert "/nowhere/python" in run.error


def test_weights_that_are_not_here_are_named(admin: User, serving: ModelVersion, home: Path) -> None:
    (home / "weights" / "base-for-runs" / "manifest.json").unlink()
    run = ended(ask(admin))
    assert run.status == RunStatus.FAILED
    assert serving.version in run.error


def test_a_queued_run_is_cancelled_at_once(admin: User) -> None:
    run = runs.cancel(run=ask(admin), by=admin)
    assert run.status == RunStatus.CANCELLED
    assert ended(run).fence == 0


def beside(work, run: Run, until) -> threading.Thread:
    """Does `work` in a thread of its own once `until(run)` holds."""

    def wait() -> None:
        try:
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                if until(Run.objects.get(pk=run.pk)):
                    work()
                    return
                time.sleep(0.02)
        finally:
            connection.close()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_cancelling_a_running_run_leaves_a_checkpoint_to_resume_from(admin: User) -> None:
    run = ask(admin, steps=400, checkpoint_every=1000)
    thread = beside(lambda: runs.cancel(run=run, by=admin), run, lambda row: row.step >= 3)
    ended(run)
    thread.join()
    assert run.status == RunStatus.CANCELLED
    assert run.step < 400
    assert list((places.runs() / run.folder / "checkpoints").glob("*/STABLE"))
    assert run.lease_until is None


def test_a_trainer_that_does_not_hear_is_killed_with_what_it_started(admin: User, monkeypatch) -> None:
    monkeypatch.setattr("training.runs.supervisor.GRACE", 0.5)
    run = ask(admin, at=2, happens="hang", child=True)
    seen: list[int] = []
    thread = beside(
        lambda: (seen.append(Run.objects.get(pk=run.pk).child_pid), runs.cancel(run=run, by=admin)),
        run,
        lambda row: row.step >= 1,
    )
    ended(run)
    thread.join()
    assert run.status == RunStatus.CANCELLED
    assert not session(seen[0])


def session(number: int) -> list[int]:
    """Living processes of a session."""
    found = []
    for name in os.listdir("/proc"):
        try:
            fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
        except (OSError, ValueError):
            continue
        if name.isdigit() and int(fields[3]) == number and fields[0] != "Z":
            found.append(int(name))
    return found


def test_a_worker_that_stops_hands_the_run_on_and_the_next_finishes_it(admin: User) -> None:
    run = ask(admin, steps=30, pace=0.03, checkpoint_every=1000)
    try:
        thread = beside(supervisor.stopping.set, run, lambda row: row.step >= 3)
        ended(run)
        thread.join()
    finally:
        supervisor.stopping.clear()
    assert run.status == RunStatus.RUNNING
    reached = run.step
    assert 3 <= reached < 30
    assert ended(run).status == RunStatus.SUCCEEDED
    assert run.fence == 2
    assert f"resumed from step {reached}" in run.log
    assert [row.step for row in run.metrics.all()] == list(range(1, 31))
