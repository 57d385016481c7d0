"""GRPO as it is run: tokens, gradients, a toy that must improve and one that must not, and the end of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agents.identity import Fingerprint, distance
from tests.training.trainers import environment
from tests.training.trainers.run_folders import cases, create, interrupted, methods, train
from training.rundir import RunDir

pytestmark = pytest.mark.slow
SETTINGS: dict[str, Any] = {"groups": 4, "group": 8, "micro": 16, "lr": 3e-3, "context": 700, "max_tokens": 60}
STEPS = 14
REWARDS = {"physicians": 1.0, "finished": 0.5}
AT_RANDOM = {"random": 1.0, "physicians": 0.0}


def folder(tmp_path: Path, toy: Path, weights: dict[str, float] = REWARDS, **recipe: Any) -> RunDir:
    chosen = methods(tmp_path, weights)
    return create(tmp_path / "run", toy, "grpo", cases(), methods=chosen, **{**SETTINGS, "steps": STEPS, **recipe})


def gain(lines: list[dict[str, Any]], name: str = "reward_physicians", of: int = 4) -> float:
    """How much more of it there was in the last steps than in the first."""
    values = [line[name] for line in lines]
    return (sum(values[-of:]) - sum(values[:of])) / of


def test_trained_ids_are_the_sampled_ids_and_the_environment_has_no_gradient(tmp_path: Path, toy: Path) -> None:
    run = folder(tmp_path, toy)
    found = environment.in_training_environment("tests.training.trainers.token_checks", str(run.path))
    assert found["same_ids"] is True
    assert found["same_prompt"] is True
    assert found["turns"] == 2
    assert found["worst_difference"] < 1e-4
    assert found["environment"] == 0.0
    assert found["environment_tokens"] > 100
    assert found["agent"] > 0.0
    assert found["agent_tokens"] > 100
    assert found["trimmed_shape"] == [2, 40]
    assert found["trimmed_difference"] < 1e-4, "padding that is cut off changes no number"
    assert found["dropped_gaps"] == 0, "nothing was compared"
    assert 0.0 <= found["dropped_gradient"] < 1e-6, "a step without episodes changes nothing"


def test_a_toy_that_must_improve_does(tmp_path: Path, toy: Path) -> None:
    run = folder(tmp_path, toy)
    lines = train(run, "grpo")
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    assert gain(lines) > 0.15
    assert all(line["logprob_gap"] < 1e-3 for line in lines)
    assert {"kl", "entropy", "length", "turns", "exam_rate", "zero_variance_groups", "malformed"} <= set(lines[0])
    _finished(run)


def _finished(run: RunDir) -> None:
    manifest = json.loads((run.path / "manifest.json").read_text())
    assert "adapter/adapter_model.safetensors" in manifest["files"]
    assert not [name for name in manifest["files"] if name.startswith(".")]
    assert manifest["counts"] == {"cases": 4, "episodes_per_step": 32, "criteria": 1, "steps": STEPS}
    own, start = (Fingerprint.from_dict(manifest[name]) for name in ("probe", "probe_base"))
    assert distance(own, start) > 0.02


def test_a_random_reward_teaches_nothing(tmp_path: Path, toy: Path) -> None:
    lines = train(folder(tmp_path, toy, AT_RANDOM), "grpo")
    assert lines[0]["reward"] == lines[0]["reward_random"]
    assert gain(lines) < 0.15
    assert gain(lines, "reward_random") < 0.15


def test_a_stopped_run_keeps_its_last_whole_step_and_goes_on(tmp_path: Path, toy: Path) -> None:
    run = folder(tmp_path, toy, checkpoint_every=100, steps=6)
    interrupted(run, "grpo", after=2)
    step, kept = run.stable()[-1]
    assert step >= 2
    assert (kept / "adapter_model.safetensors").is_file()
    lines = train(run, "grpo", "--resume")
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert "resumed from step" in (run.path / "log.txt").read_text()
    assert (run.path / "manifest.json").is_file()


def test_only_training_patients_are_played(tmp_path: Path, toy: Path) -> None:
    rows = [{**row, "case": row["case"].replace("train", "sealed")} for row in cases(2)]
    run = create(tmp_path / "run", toy, "grpo", rows, methods=methods(tmp_path, REWARDS), **SETTINGS, steps=1)
    _, err = environment.run("training.trainers.grpo", str(run.path), expect=1)
    assert "is no virtual patient of the training split" in err
