"""The trainer of these tests keeps the same promises as a real one: files, exit codes, signals, resuming."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.training.runs.factories import DOUBLE, ROOT
from tests.training.trainers import environment
from training.rundir import RunDir
from training.runs import outcome
from training.trainers.make_world import described

pytestmark = pytest.mark.slow
ROWS = [
    {
        "id": f"virtual:{split}:{n}", "patient": str(n), "split": split, "origin": "virtual", "access": "public",
        "profile": "45 year-old woman with cough.\nFinal Diagnosis: Pneumonia", "diagnosis": "Pneumonia",
        "groups": [[{"name": "C-reactive protein", "result": "22.0 mg/L (0-8) H."}]],
    }
    for split in ("train", "validation")
    for n in range(4)
]  # fmt: skip
SMALL = {"warmup": 1, "step_tokens": 64, "micro_tokens": 64, "max_length": 128, "eval_every": 100, "threads": 1}


@pytest.fixture(params=["double", "real"])
def command(request, tmp_path: Path) -> list[str]:
    """Either trainer; the real one on a random tiny model."""
    if request.param == "double":
        (tmp_path / "base").mkdir()
        (tmp_path / "base" / "model.safetensors").write_bytes(b"")
        return [sys.executable, str(DOUBLE), "-m", "training.trainers.world"]
    environment.run("tests.training.trainers.tiny", str(tmp_path / "base"))
    return [str(environment.PYTHON), "-m", "training.trainers.world"]


def made(tmp_path: Path, **recipe: Any) -> RunDir:
    base = tmp_path / "base"
    config = {"recipe": {**SMALL, "base": str(base), **recipe}, "seeds": {"order": 1, "model": 1}}
    return RunDir.create(tmp_path / "run", {**config, "base": described(base)}, ROWS)


def begin(command: list[str], run: RunDir, *more: str) -> subprocess.Popen[bytes]:
    told = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    return subprocess.Popen([*command, str(run.path), *more], env=told, cwd=ROOT, stderr=subprocess.PIPE)


def test_both_finish_with_a_manifest_that_holds(command, tmp_path) -> None:
    run = made(tmp_path, steps=2)
    process = begin(command, run)
    _, told = process.communicate(timeout=240)
    assert process.returncode == 0, told.decode()[-2000:]
    manifest = outcome.verified(run.path, beat=lambda: None)
    assert {"snapshot", "seeds", "provenance", "counts", "probe", "end"} <= set(manifest)
    assert manifest["counts"]["steps"] == 2
    assert {"adapter/adapter_model.safetensors", "adapter/adapter_config.json", "config.json", "metrics.jsonl"} <= set(
        json.loads((run.path / "manifest.json").read_text())["files"]
    )
    assert run.metrics()[-1]["step"] == 2
    again = begin(command, run)
    _, told = again.communicate(timeout=120)
    assert again.returncode == 1
    assert "--resume goes on from its newest STABLE checkpoint" in told.decode()


def test_both_leave_a_checkpoint_at_sigterm_and_go_on_from_it(command, tmp_path) -> None:
    run = made(tmp_path, steps=60, pace=0.1, checkpoint_every=1000)
    process = begin(command, run)
    deadline = time.monotonic() + 200
    while not any(line["step"] >= 2 for line in _whole(run)):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 143, told.decode()[-2000:]
    ((step, _),) = run.stable()
    assert step >= 2
    recipe = run.path / "config.json"
    recipe.write_text(json.dumps({**run.config, "recipe": {**run.config["recipe"], "steps": step + 1}}))
    on = begin(command, run, "--resume")
    _, told = on.communicate(timeout=240)
    assert on.returncode == 0, told.decode()[-2000:]
    steps = [line["step"] for line in run.metrics() if line["step"]]
    assert steps == list(range(1, step + 2))


def _whole(run: RunDir) -> list[dict[str, Any]]:
    path = run.path / "metrics.jsonl"
    text = path.read_text() if path.is_file() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
