"""Where a run goes on: the newest try's last STABLE checkpoint, and nowhere if that is not one certain place."""

from __future__ import annotations

from pathlib import Path

import pytest

from clinic.models import User
from clinic.services.errors import Refused
from tests.training.runs.factories import ask
from training.models import Run, RunStatus
from training.rundir import RunDir
from training.runs import attempts, disk

pytestmark = pytest.mark.django_db
ROWS = [{"id": 1}]


def made(run: Run, fence: int, *steps: int) -> Path:
    folder = attempts.folder_of(run, fence)
    run_dir = RunDir.create(folder, {"recipe": {}}, ROWS)
    for step in steps:
        run_dir.measured({"step": step})
        with run_dir.checkpoint(step) as place:
            (place / "state.json").write_text(str(step))
    return folder


@pytest.fixture
def run(admin: User) -> Run:
    return ask(admin)


def test_without_a_checkpoint_it_begins_anew(run: Run) -> None:
    assert attempts.newest(run) is None
    made(run, 1)
    assert attempts.newest(run) is None


def test_the_last_one_of_the_newest_try_that_has_any(run: Run) -> None:
    made(run, 9, 2)
    made(run, 10, 2, 4)
    made(run, 11)
    last = attempts.newest(run)
    assert (last.fence, last.step) == (10, 4)


def test_two_ends_are_refused(run: Run) -> None:
    made(run, 1, 2, 8)
    made(run, 2, 2, 4)
    with pytest.raises(Refused, match="steps 4 and 8"):
        attempts.newest(run)


def test_a_damaged_checkpoint_is_refused(run: Run) -> None:
    folder = made(run, 1, 2)
    (folder / "checkpoints" / "step-2" / "state.json").write_text("other")
    with pytest.raises(Refused, match="damaged"):
        attempts.newest(run)


def test_going_on_takes_config_data_metrics_and_checkpoint_into_a_folder_of_its_own(run: Run) -> None:
    first = made(run, 1, 2, 4)
    into = attempts.folder_of(run, 2)
    second = attempts.go_on(attempts.newest(run), into)
    assert second.config == RunDir(first).config
    assert [line["step"] for line in second.metrics()] == [2, 4]
    assert [step for step, _ in second.stable()] == [4]
    with second.checkpoint(6) as place:
        (place / "state.json").write_text("6")
    assert [step for step, _ in RunDir(first).stable()] == [2, 4]


def test_old_checkpoints_of_finished_runs_make_room(run: Run, settings) -> None:
    folder = made(run, 1, 2)
    (folder / "adapter").mkdir()
    (folder / "adapter" / "adapter_model.safetensors").write_bytes(b"kept")
    (folder / "checkpoints" / "step-2" / "optimizer.pt").write_bytes(b"0" * 10_000)
    settings.TRAINING_DISK_GB = 8_000 / disk.GB
    with pytest.raises(Refused, match="TRAINING_DISK_GB"):
        disk.make_room()
    Run.objects.filter(pk=run.pk).update(status=RunStatus.SUCCEEDED, folder=f"{run.pk}/1")
    assert disk.make_room() >= 10_000
    assert (folder / "adapter" / "adapter_model.safetensors").read_bytes() == b"kept"
    assert (folder / "config.json").is_file()
    assert disk.make_room() == 0
