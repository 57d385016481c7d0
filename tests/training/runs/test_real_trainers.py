"""Every trainer through the supervisor as it is run: a toy model, a few steps, a version with its lineage."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from clinic.models import FeedbackUse, ModelRole, ModelVersion, User
from tests.clinic import factories as make
from tests.training.runs.factories import make_admin, told
from tests.training.snapshots import factories as frozen
from tests.training.trainers import environment
from tests.training.trainers.conftest import toy as toy
from training import lineage, places, runs, snapshots
from training.models import Run, RunStatus, Snapshot

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
ROWS = {"steps": 2, "batch": 2, "micro": 2, "max_length": 4000, "threads": 1, "rank": 4, "checkpoint_every": 1}
PLAYED = {"steps": 2, "groups": 1, "group": 4, "micro": 4, "cases": 2, "max_tokens": 40, "context": 900, "threads": 1}
DRAWN = {"steps": 2, "patients": 40, "step_tokens": 200, "micro_tokens": 3000, "max_length": 3000, "eval_rows": 2}
TRAINERS: dict[str, tuple[dict[str, Any], str | None]] = {
    "sft": (ROWS, ModelRole.AGENT),
    "dpo": (ROWS, ModelRole.AGENT),
    "kto": (ROWS, ModelRole.AGENT),
    "reward": (ROWS, None),
    "grpo": ({**PLAYED, "rollouts": "local", "checkpoint_every": 1, "rank": 4}, ModelRole.AGENT),
    "world": ({**DRAWN, "threads": 1, "warmup": 1}, ModelRole.WORLD),
}


@pytest.fixture
def starter(home: Path, toy: Path, settings, db: None) -> User:
    """An administrator where the toy serves and is the default, and trainers run with torch."""
    shutil.copytree(toy, home / "weights" / "tiny-toy")
    settings.TRAINER_PYTHON = str(environment.PYTHON)
    version = make.make_version(base=told(toy / "manifest.json")["content"], codec="brief")
    make.make_endpoint(version=version)
    return make_admin()


def frozen_for(by: User) -> Snapshot:
    for number in range(3):
        frozen.learned(number)
    assert by.site is not None
    return snapshots.make(site=by.site, by=by)


@pytest.mark.parametrize("trainer", TRAINERS)
def test_it_ends_with_what_it_made(starter: User, monkeypatch, trainer: str) -> None:
    monkeypatch.setenv("ROUNDS_MODEL", "tiny")
    config, role = TRAINERS[trainer]
    snapshot = None if trainer == "world" else frozen_for(starter)
    run = runs.start(
        site=starter.site, by=starter, trainer=trainer, recipe="tiny", snapshot=snapshot, config=config, seed=1
    )
    before = ModelVersion.objects.count()
    runs.execute(run.pk)
    run.refresh_from_db()
    assert run.status == RunStatus.SUCCEEDED, run.error + run.log
    assert (run.step, run.steps) == (2, 2)
    assert {1, 2} <= set(run.metrics.values_list("step", flat=True))
    assert (places.runs() / run.folder / "manifest.json").is_file()
    assert ModelVersion.objects.count() == before + (role is not None)
    if role is None:
        assert run.version is None
    else:
        assert run.version is not None
        assert run.version.role == role
        assert (places.adapters() / run.version.version / "adapter_model.safetensors").is_file()
        _fed_by(run, trainer)


def _fed_by(run: Run, trainer: str) -> None:
    """The feedback that the version learned from is what the trainer's format carries."""
    used = set(FeedbackUse.objects.filter(model_version=run.version).values_list("feedback", flat=True))
    formats = run.snapshot.manifest["formats"] if run.snapshot else {}
    read = formats.get(lineage.FORMAT_OF.get(trainer, ""), {}).get("feedback", [])
    assert {str(one) for one in used} == set(read)
    assert bool(used) == (trainer != "world")
