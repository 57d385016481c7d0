"""What is shipped: the mean of checkpoints, rounded once, with what it was made of."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from agents.weights import tensors
from training.rundir import RunDir
from training.trainers.make_world import describe, described, losses, prepare, ship

LINES = [{"step": 0, "unigram_val_loss": 4.0, "val_loss": 2.0}] + [
    {"step": n, "loss": 1 / n, "documents": 2, "tokens": 100} for n in (1, 2, 3, 4)
]


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    base, cohort = tmp_path / "base", tmp_path / "cohort.jsonl"
    base.mkdir()
    (base / "manifest.json").write_text(json.dumps({"model": "tiny", "content": "c0ffee", "licence": "Apache-2.0"}))
    cohort.write_text(
        "".join(json.dumps({"id": split, "split": split}) + "\n" for split in ("train", "validation", "test"))
    )
    made = prepare(tmp_path / "run", cohort, base, steps=4, seed=7)
    for line in LINES:
        made.measured(line)
    for step, value in ((2, 1.0), (3, 3.0), (4, 5.0)):
        with made.checkpoint(step) as folder:
            weight = {"x": tensors.Tensor("F32", (2,), np.full(2, value, dtype="<f4").tobytes())}
            tensors.write(folder / "adapter_model.safetensors", weight)
            (folder / "adapter_config.json").write_text("{}")
    return made


def test_the_test_split_never_enters_a_run_folder(run: RunDir) -> None:
    assert [row["split"] for row in run.rows()] == ["train", "validation"]


def test_config_names_base_cohort_and_seeds(run: RunDir) -> None:
    assert run.config["base"] == {"model": "tiny", "content": "c0ffee", "licence": "Apache-2.0"}
    assert run.config["seeds"] == {"order": 7, "model": 7}
    assert run.config["cohort"]["file"] == "cohort.jsonl"


@pytest.mark.parametrize(("average", "steps", "value"), [(1, [4], 5.0), (2, [3, 4], 4.0), (3, [2, 3, 4], 3.0)])
def test_the_newest_checkpoints_are_averaged(
    average: int, steps: list[int], value: float, run: RunDir, tmp_path: Path
) -> None:
    assert ship(run, tmp_path / "out", average=average) == steps
    found = tensors.read(tmp_path / "out" / "adapter_model.safetensors")["x"]
    assert (found.dtype, found.float32().tolist()) == ("BF16", [value, value])


def test_the_manifest_says_what_was_trained_on_what(run: RunDir, tmp_path: Path) -> None:
    out = tmp_path / "world-toy"
    manifest = describe(run, out, ship(run, out, average=2), 0.5)
    assert json.loads((out / "manifest.json").read_text()) == manifest
    assert (manifest["name"], manifest["steps"], manifest["averaged"]) == ("world-toy", 4, [3, 4])
    assert (manifest["patients"], manifest["tokens"]) == (8, 400)
    assert manifest["losses"] == {**losses(LINES), "validation": 0.5}
    assert manifest["losses"]["untrained_validation"] == 2.0
    assert str(tmp_path) not in json.dumps(manifest)


def test_a_base_without_manifest_is_named_by_its_weights(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    told = described(tmp_path)
    assert (len(told["content"]), told["licence"]) == (64, "not stated")
