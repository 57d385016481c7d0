"""The trainers of feedback as they are run, on a toy policy whose physicians want the vital signs first."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.training.trainers import environment
from tests.training.trainers import toy as toys
from tests.training.trainers.run_folders import create, interrupted, train
from training.rundir import RunDir

pytestmark = pytest.mark.slow
SETTINGS: dict[str, Any] = {"batch": 8, "micro": 4, "max_length": 700, "checkpoint_every": 10}


def folder(tmp_path: Path, base: Path, trainer: str, kind: str, **recipe: Any) -> RunDir:
    return create(tmp_path / "run", base, trainer, toys.rows(kind), **{**SETTINGS, **recipe})


def manifest(run: RunDir) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((run.path / "manifest.json").read_text())
    return told


def test_sft_learns_what_was_approved(tmp_path: Path, toy: Path) -> None:
    run = folder(tmp_path, toy, "sft", "sft", lr=3e-3, steps=20, artifacts=(tmp_path / "copy").as_uri())
    lines = train(run, "sft")
    by_step = {line["step"]: line for line in lines}
    assert list(by_step) == list(range(1, 21))
    assert by_step[20]["loss"] < 0.7 * by_step[1]["loss"]
    assert by_step[20]["val_loss"] > 0
    told = manifest(run)
    assert told["counts"] == {"train": 2, "validation": 2, "dropped": 0, "steps": 20}
    assert told["probe"]["kind"] == told["probe_base"]["kind"]
    assert (tmp_path / "copy" / "adapter" / "adapter_model.safetensors").is_file()


def test_a_whole_fine_tune_is_a_model_folder(tmp_path: Path, toy: Path) -> None:
    run = folder(tmp_path, toy, "sft", "sft", lr=1e-3, steps=2, method="full")
    train(run, "sft")
    made = run.path / "adapter"
    assert {"model.safetensors", "config.json", "tokenizer.json", "manifest.json"} <= {p.name for p in made.iterdir()}
    assert json.loads((made / "manifest.json").read_text())["codec"] == "brief"


def test_dpo_prefers_what_physicians_preferred(tmp_path: Path, toy: Path) -> None:
    run = folder(tmp_path, toy, "dpo", "dpo", lr=2e-3, steps=12, micro=2)
    lines = train(run, "dpo")
    assert lines[-1]["margin"] > lines[0]["margin"] + 0.1
    assert lines[-1]["preferred"] == 1.0


def test_kto_moves_what_was_right_above_what_was_wrong(tmp_path: Path, toy: Path) -> None:
    run = folder(tmp_path, toy, "kto", "kto", lr=2e-3, steps=12)
    lines = train(run, "kto")
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert max(line.get("margin", 0.0) for line in lines) > 0.1
    assert manifest(run)["counts"]["train"] == 4


def test_a_reward_model_ranks_the_preferred_first(tmp_path: Path, toy: Path) -> None:
    run = folder(tmp_path, toy, "reward", "dpo", lr=5e-3, steps=20, micro=2)
    lines = train(run, "reward")
    assert lines[-1]["preferred"] == 1.0
    assert lines[-1]["loss"] < 0.7 * lines[0]["loss"]
    assert "adapter/adapter_model.safetensors" in manifest(run)["files"]


def test_a_stopped_run_goes_on_as_if_it_had_not_been(tmp_path: Path, toy: Path) -> None:
    whole = train(folder(tmp_path / "whole", toy, "sft", "sft", steps=10), "sft")
    parts = folder(tmp_path / "parts", toy, "sft", "sft", steps=10, checkpoint_every=1)
    interrupted(parts, "sft", after=2)
    lines = train(parts, "sft", "--resume")
    losses = [[line["loss"] for line in told if line["step"] > parts.stable()[0][0]] for told in (whole, lines)]
    assert [round(loss, 5) for loss in dict.fromkeys(losses[0])] == [round(x, 5) for x in dict.fromkeys(losses[1])]


def test_rows_that_do_not_fit_are_counted_and_nothing_to_learn_is_said(tmp_path: Path, toy: Path) -> None:
    run = folder(tmp_path, toy, "sft", "sft", steps=2, max_length=20)
    _, err = environment.run("training.trainers.sft", str(run.path), expect=1)
    assert "nothing to train on (4 rows were left out)" in err


def test_two_processes_train_one_policy(tmp_path: Path, toy: Path) -> None:
    """What accelerate launches on several cards, here on two CPU processes."""
    run = folder(tmp_path, toy, "sft", "sft", lr=3e-3, steps=6, batch=4, micro=2)
    launch = ("accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", str(_port()))
    environment.run(*launch, "--module", "training.trainers.sft", str(run.path))
    lines = [line for line in run.metrics() if "loss" in line]
    assert [line["step"] for line in lines if "grad_norm" in line][:6] == list(range(1, 7))
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert "checkpoints/step-6/rng_state_1.pth" in manifest(run)["files"]


def _port() -> int:
    return 20_000 + os.getpid() % 20_000
