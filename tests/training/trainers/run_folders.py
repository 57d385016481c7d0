"""Run folders for the trainers of feedback and for GRPO, as the supervisor writes them."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

from agents.world.virtual import case_id
from tests.training.trainers import environment
from training.methods import recipe as recipes
from training.rundir import RunDir

VITAL = {"id": "vital", "text": "Vital signs were ordered", "points": 5, "rule": {"examined": "Vital signs"}}


def create(
    folder: Path,
    base: Path,
    trainer: str,
    rows: list[dict[str, Any]],
    *,
    methods: Path | str = "default",
    **recipe: Any,
) -> RunDir:
    manifest = json.loads((base / "manifest.json").read_text())
    config = {
        "run": folder.name,
        "trainer": trainer,
        "seeds": {"order": 1, "model": 2, "rollout": 3},
        "recipe": {"base": str(base), "start": None, "threads": 1, "rank": 8, "alpha": 16, **recipe},
        "methods": recipes.load(methods).as_dict(),
        "base": {"model": manifest["model"], "content": manifest["content"]},
        "codec": "brief",
    }
    return RunDir.create(folder, config, rows)


def cases(count: int = 4) -> list[dict[str, Any]]:
    return [{"case": case_id("train", n), "split": "train", "weight": 1.0, "criteria": [VITAL]} for n in range(count)]


def methods(folder: Path, weights: dict[str, float]) -> Path:
    """A recipe with these rewards, on consultations of two turns."""
    path = folder / "toy.yaml"
    path.write_text(
        "name: toy\nsummary: For a test.\nrollout: {group: {max_turns: 2, repairs: 0}}\n"
        f"reward: {json.dumps(list(weights))}\ncompose: {{weighted_sum: {{weights: {json.dumps(weights)}}}}}\n"
        "objective: {grpo: {beta: 0.001}}\n"
    )
    return path


def train(run: RunDir, trainer: str, *options: str, expect: int = 0) -> list[dict[str, Any]]:
    environment.run(f"training.trainers.{trainer}", str(run.path), *options, expect=expect, seconds=900)
    return run.metrics()


def interrupted(run: RunDir, trainer: str, *, after: int) -> None:
    """SIGTERM once so many steps are done."""
    process = environment.start(f"training.trainers.{trainer}", str(run.path))
    deadline = time.monotonic() + 600
    while len(run.metrics()) < after and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 143, err[-3000:]
