"""The world-model trainer as it is run: on a tiny random Llama, in the training environment."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.training.trainers import environment
from training.rundir import STABLE, RunDir
from training.trainers.make_world import describe, ship

pytestmark = pytest.mark.slow
RECIPE = {
    "method": "lora",
    "rank": 8,
    "alpha": 16,
    "lr": 0.01,
    "warmup": 2,
    "step_tokens": 600,
    "micro_tokens": 1200,
    "max_length": 400,
    "eval_every": 20,
    "eval_rows": 6,
    "checkpoint_minutes": 30,
    "threads": 1,
}


def row(n: int, split: str) -> dict[str, Any]:
    rng = random.Random(n)
    sick = rng.random() < 0.5
    tests = [
        {"name": "C-reactive protein", "result": f"Value: {rng.randint(80, 99) if sick else rng.randint(1, 9)} mg/L"},
        {"name": "Chest X-ray", "result": "Consolidation is seen." if sick else "No consolidation is seen."},
        {"name": "Sodium", "result": f"Value: {rng.randint(136, 144)} mmol/L"},
    ]
    diagnosis = "Pneumonia" if sick else "Common cold"
    profile = f"Patient:\n{rng.randint(20, 80)}-year-old woman\n\nFinal Diagnosis:\n{diagnosis}"
    told = {"id": f"v{n}", "patient": f"v{n}", "split": split, "origin": "virtual", "access": "public"}
    return {**told, "profile": profile, "diagnosis": diagnosis, "groups": [tests[:1], tests[1:]]}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    environment.run("tests.training.trainers.tiny", str(folder))
    return folder


def prepare(folder: Path, base: Path, **recipe: Any) -> RunDir:
    rows = [row(n, "train" if n < 60 else "validation") for n in range(70)]
    config = {
        "trainer": "world",
        "recipe": {**RECIPE, "base": str(base), **recipe},
        "seeds": {"order": 1, "model": 2},
        "base": {"model": "tiny", "content": "0", "licence": "Apache-2.0"},
        "cohort": {"file": "made here", "sha256": "0"},
    }
    return RunDir.create(folder, config, rows)


def train(run: RunDir, *options: str, expect: int = 0) -> list[dict[str, Any]]:
    environment.run("training.trainers.world", str(run.path), *options, expect=expect)
    return run.metrics()


def test_it_learns_far_more_than_word_frequencies(base: Path, tmp_path: Path) -> None:
    """W4: at least 30 % below the unigram baseline; the losses fall. Whole: LoRA cannot teach a random embedding."""
    run = prepare(tmp_path / "run", base, method="full", lr=0.003, steps=120)
    lines = train(run)
    validation = [line["val_loss"] for line in lines if "val_loss" in line]
    assert validation[-1] < 0.7 * lines[0]["unigram_val_loss"]
    assert validation[:4] == sorted(validation[:4], reverse=True)
    assert lines[-1]["loss"] < 0.7 * lines[1]["loss"]
    manifest = json.loads((run.path / "manifest.json").read_text())
    assert manifest["counts"]["steps"] == 120
    assert len(manifest["probe"]) == 4
    assert any(name.startswith("adapter/") for name in manifest["files"])


def test_a_resumed_run_has_the_same_next_steps(base: Path, tmp_path: Path) -> None:
    whole = train(prepare(tmp_path / "whole", base, steps=12, schedule="constant", decay=4))
    parts = prepare(tmp_path / "parts", base, steps=12, schedule="constant", decay=4, keep=9)
    interrupted(parts)
    lines = train(parts, "--resume")
    same = ("step", "epoch", "loss", "lr", "norm", "tokens", "kept")
    assert [{k: line.get(k) for k in same} for line in lines] == [{k: line.get(k) for k in same} for line in whole]


def test_it_goes_on_from_the_adapter_that_it_is_given(base: Path, tmp_path: Path) -> None:
    first = train(prepare(tmp_path / "first", base, steps=4))
    start = tmp_path / "first" / "adapter"
    on = train(prepare(tmp_path / "on", base, steps=1, start=str(start)))
    assert on[0]["val_loss"] == pytest.approx(first[-1]["val_loss"], abs=0.02), "bfloat16 between them"
    assert first[0]["val_loss"] - on[0]["val_loss"] > 0.05
    refused = prepare(tmp_path / "whole", base, steps=1, start=str(start), method="full")
    assert "begins from a whole model" in environment.run("training.trainers.world", str(refused.path), expect=1)[1]


def interrupted(run: RunDir) -> None:
    """Stop it by SIGTERM once it has done a few steps."""
    process = environment.start("training.trainers.world", str(run.path), "--steps", "100000")
    deadline = time.monotonic() + 120
    while len(run.metrics()) < 4 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err[-2000:]
    step, folder = run.stable()[-1]
    assert (folder / STABLE).is_file()
    assert step >= 3


def test_nothing_to_resume_from_is_said(base: Path, tmp_path: Path) -> None:
    run = prepare(tmp_path / "run", base, steps=1)
    folder = run.path / "checkpoints" / "step-5"
    folder.mkdir(parents=True)
    (folder / "state.json").write_text("{}")  # without STABLE
    _, err = environment.run("training.trainers.world", str(run.path), "--resume", expect=1)
    assert "no STABLE checkpoint" in err


def test_an_adapter_is_exported_and_a_run_that_has_begun_is_not_begun_again(base: Path, tmp_path: Path) -> None:
    run = prepare(tmp_path / "run", base, steps=3)
    train(run)
    _, err = environment.run("training.trainers.world", str(run.path), expect=1)
    assert "--resume" in err
    assert "Traceback" not in err
    shipped = tmp_path / "shipped"
    steps = ship(run, shipped)
    told = environment.run("training.trainers.world", str(run.path), "--evaluate", str(shipped))[0]
    manifest = describe(run, shipped, steps, json.loads(told)["val_loss"])
    assert manifest["steps"] == 3
    assert manifest["base"]["licence"] == "Apache-2.0"
    assert manifest["trained_on"] == "virtual patients only"
    assert manifest["losses"]["validation"] < manifest["losses"]["untrained_validation"]
    assert (shipped / "adapter_model.safetensors").stat().st_size < 200_000


def test_real_tokenizer_prompts_are_token_prefixes(base: Path) -> None:
    """With the default weights' tokenizer where they are made, else with the tiny one: what is trained is served."""
    made = sorted((environment.ROOT / "var" / "weights").glob("smollm2-*/tokenizer.json"))
    folder = made[0].parent if made else base
    found = environment.in_training_environment("tests.training.trainers.prefixes", str(folder))
    assert found["results"] > 5
    assert found["prompts_that_are_prefixes"] == found["results"]
    assert found["punctuation_joins_separator"] > 0 or not made
