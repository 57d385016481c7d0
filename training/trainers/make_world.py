"""Makes the shipped world-model adapter from nothing: cohort, run folder, training, export.

.venv-train/bin/python -m training.trainers.make_world RUN --base WEIGHTS [--n 1500] [--seed 0] [--steps N]
                                                      [--export agents/weights/world-virtual]

The cohort is drawn by the web environment, which has the knowledge's packages (`--web-python`). A run folder that
exists is gone on with from its newest STABLE checkpoint.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from agents.weights import tensors
from agents.weights.merge import content
from training.rundir import ROOT, RunDir, RunFolderError, sha256, write_json

RECIPE: dict[str, Any] = {
    "method": "lora",
    "rank": 16,
    "alpha": 32,
    "mask": "results",
    "dtype": "float32",
    "lr": 1e-3,
    "warmup": 15,
    "schedule": "constant",
    "decay": 60,
    "step_tokens": 500,
    "micro_tokens": 2048,
    "max_length": 2048,
    "eval_every": 50,
    "eval_rows": 8,
    "checkpoint_minutes": 5,
    "keep": 4,
    "threads": 1,
}
"""Found on two AVX2 cores: one or two patients a step; a constant rate so that a run may end when its time is up."""
TRAINED_ON = "virtual patients only"


def prepare(run: Path, cohort: Path, base: Path, *, steps: int, seed: int) -> RunDir:
    """A new run folder from a cohort file and base weights."""
    config = {
        "trainer": "world",
        "recipe": {**RECIPE, "base": str(base), "steps": steps},
        "seeds": {"order": seed, "model": seed},
        "base": described(base),
        "cohort": {"file": cohort.name, "sha256": sha256(cohort)},
    }
    return RunDir.create(run, config, _rows(cohort))


def _rows(cohort: Path) -> Iterator[dict[str, Any]]:
    """Training and validation rows; those of the test split never enter a run folder."""
    with cohort.open() as file:
        yield from (row for row in map(json.loads, file) if row["split"] != "test")


def described(base: Path) -> dict[str, Any]:
    """Name, content hash and licence of the base weights."""
    path = base / "manifest.json"
    manifest = json.loads(path.read_text()) if path.is_file() else {}
    return {
        "model": manifest.get("model", base.name),
        "content": content(base),
        "licence": manifest.get("licence", "not stated"),
    }


def ship(run: RunDir, into: Path, *, average: int = 1) -> list[int]:
    """Write the adapter of the newest STABLE checkpoint, or the mean of the newest few, in bfloat16; their steps.

    The mean stands in for the falling rate at the end of a run that was stopped (Sanyal et al. 2023, LAWA,
    arXiv 2306.03241). Factors are averaged, not their products: near each other, the two hardly differ.
    """
    chosen = run.stable()[-average:]
    into.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(chosen[-1][1] / "adapter_config.json", into / "adapter_config.json")
    learned = [tensors.read(folder / "adapter_model.safetensors") for _, folder in chosen]
    means = {name: np.mean([one[name].float32() for one in learned], axis=0) for name in learned[0]}
    tensors.write(into / "adapter_model.safetensors", {name: tensors.bfloat16(means[name]) for name in means})
    return [step for step, _ in chosen]


def describe(run: RunDir, into: Path, steps: list[int], validation: float) -> dict[str, Any]:
    """Write the manifest of a shipped adapter; `validation` is the loss of exactly these files."""
    config, lines = run.config, [line for line in run.metrics() if line["step"] <= steps[-1]]
    trained = [line for line in lines if "loss" in line]
    manifest = {
        "name": into.name,
        "role": "world",
        "licence": "Apache-2.0",
        "trained_on": TRAINED_ON,
        "base": config["base"],
        "adapter": sha256(into / "adapter_model.safetensors"),
        "snapshot": config["snapshot"],
        "cohort": config["cohort"],
        "recipe": {key: value for key, value in config["recipe"].items() if key not in ("base", "steps")},
        "seeds": config["seeds"],
        "steps": steps[-1],
        "averaged": steps,
        "patients": sum(line["documents"] for line in trained),
        "tokens": sum(line["tokens"] for line in trained),
        "losses": {**losses(lines), "validation": round(validation, 4)},
        "provenance": config["provenance"],
        "files": {name: sha256(into / name) for name in ("adapter_model.safetensors", "adapter_config.json")},
    }
    write_json(into / "manifest.json", manifest)
    return manifest


def losses(lines: list[dict[str, Any]]) -> dict[str, float]:
    """Nats per kept token: unigram and untrained on validation; the mean of the last 50 steps in training."""
    recent = [line["loss"] for line in lines if "loss" in line][-50:]
    return {
        "unigram_validation": round(lines[0]["unigram_val_loss"], 4),
        "untrained_validation": round(lines[0]["val_loss"], 4),
        "train": round(sum(recent) / len(recent), 4),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m training.trainers.make_world", description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--base", type=Path, required=True, help="folder of the base weights")
    parser.add_argument("--cohort", type=Path, help="a cohort file; drawn when left out")
    parser.add_argument("--n", type=int, default=1500, help="virtual patients to draw")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--export", type=Path, help="folder of the shipped adapter")
    parser.add_argument("--web-python", type=Path, default=ROOT / ".venv" / "bin" / "python")
    parser.add_argument("--average", type=int, default=1, help="export the mean of the newest so many checkpoints")
    parser.add_argument("--only", choices=("prepare", "export"), help="the run folder, or the newest checkpoint")
    told = parser.parse_args()
    try:
        return make(told)
    except (RunFolderError, OSError, subprocess.CalledProcessError) as problem:
        print(f"The world model could not be made: {problem}", file=sys.stderr)  # noqa: T201
        return 1


def make(told: argparse.Namespace) -> int:
    resume = (told.run / "config.json").is_file()
    if not resume:
        cohort = told.cohort or draw(told)
        prepare(told.run, cohort, told.base, steps=told.steps, seed=told.seed)
    run = RunDir(told.run)
    if told.only == "prepare":
        return 0
    if told.only != "export":
        command = ["--steps", str(told.steps), *(["--resume"] if run.stable() else [])]
        trainer(told.run, *command)
    if told.export:
        steps = ship(run, told.export, average=told.average)
        out = trainer(told.run, "--evaluate", str(told.export))
        describe(run, told.export, steps, json.loads(out)["val_loss"])
    return 0


def trainer(run: Path, *options: str) -> str:
    """What the trainer, run on the folder, printed; CalledProcessError where it failed."""
    command = [sys.executable, "-m", "training.trainers.world", str(run), *options]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def draw(told: argparse.Namespace) -> Path:
    """The cohort, by the web environment."""
    out: Path = told.run.with_name(f"{told.run.name}-cohort.jsonl")
    out.parent.mkdir(parents=True, exist_ok=True)
    command = [str(told.web_python), "-m", "training.worlds", "build", "--source", "virtual"]
    command += ["--n", str(told.n), "--seed", str(told.seed), "--out", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return out


if __name__ == "__main__":
    sys.exit(main())
