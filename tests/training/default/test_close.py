"""An SFT run that is ended early has the mean of its checkpoints as its adapter, and says so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from agents.weights import merge, tensors
from tests.training.trainers import environment
from training.rundir import RunDir

pytestmark = pytest.mark.slow
NAME = "base_model.model.model.layers.0.mlp.up_proj.lora_A.weight"


def learned(folder: Path) -> np.ndarray:
    return tensors.read(folder / merge.ADAPTER)[NAME].float32()


def test_the_mean_of_the_checkpoints(tmp_path: Path) -> None:
    out, _ = environment.run("training.trainers.tiny", str(tmp_path / "weights"), "--cases", "3", "--steps", "3")
    base = out.splitlines()[-1]
    rows = tmp_path / "rows.jsonl"
    environment.run("training.trainers.cold_start", str(rows), "--count", "4", "--codec", "brief")
    recipe = {"base": base, "start": None, "steps": 3, "batch": 1, "micro": 1, "rank": 2, "checkpoint_every": 1}
    config = {"seeds": {"order": 0, "model": 0, "rollout": 0}, "recipe": recipe, "codec": "brief"}
    told = [json.loads(line) for line in rows.read_text().splitlines()]
    run = RunDir.create(tmp_path / "run", config, told)
    environment.run("training.trainers.sft", str(run.path))
    (run.path / "manifest.json").unlink()
    expected = np.mean([learned(folder) for _, folder in run.stable()], axis=0)
    environment.run("training.default.close", str(run.path))
    manifest = json.loads((run.path / "manifest.json").read_text())
    assert learned(run.path / "adapter") == pytest.approx(expected, abs=1e-6)
    assert (manifest["end"], manifest["counts"]["averaged"]) == ("ended early", [1, 2, 3])
    assert manifest["probe"]["kind"] == "greedy-1"
    _, said = environment.run("training.default.close", str(run.path), expect=1)
    assert "has ended already" in said
