"""A home with a tiny base model, a version that serves it, and a trainer that needs no torch."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path
from typing import Any

import numpy as np

from agents.weights import tensors
from clinic.models import ModelVersion, Role, Site, User
from tests.clinic import factories as make
from tests.training.snapshots import factories as frozen
from training import runs, snapshots
from training.models import Run, Snapshot
from training.trainers.model_folder import describe

ROOT = Path(__file__).resolve().parents[3]
DOUBLE = ROOT / "tests" / "doubles" / "trainer.py"
OF_DOUBLE = dict.fromkeys(("pace", "at", "happens", "always", "child"), ("anything", lambda _: True))
"""Settings that the double alone has."""
LAYER = "model.layers.0.self_attn.q_proj"


def make_base(weights: Path) -> str:
    """A model folder below the weights folder; its content."""
    folder = weights / "base-for-runs"
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    held = {
        f"{LAYER}.weight": tensors.bfloat16(rng.normal(size=(6, 4)).astype("float32")),
        "model.norm.weight": tensors.bfloat16(np.ones(4, dtype="float32")),
    }
    tensors.write(folder / "model.safetensors", held)
    (folder / "config.json").write_text("{}")
    return describe(folder, model="base-for-runs", licence="Apache-2.0")


def make_python(folder: Path) -> Path:
    """A program that TRAINER_PYTHON may name: it runs the double whatever module is asked for."""
    script = folder / "python"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{DOUBLE}" "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return script


def make_admin(site: Site | None = None) -> User:
    return make.make_user(Role.ADMIN, site=site)


def make_snapshot(by: User, number: int = 0) -> Snapshot:
    frozen.learned(number)
    assert by.site is not None
    return snapshots.make(site=by.site, by=by)


def make_start(base: str) -> ModelVersion:
    """The version that serves, whose weights are on this machine."""
    version = make.make_version(base=base)
    make.make_endpoint(version=version)
    return version


def ask(by: User, snapshot: Snapshot | None = None, **config: Any) -> Run:
    """A queued SFT run by the double; `config` goes into its recipe."""
    assert by.site is not None
    return runs.start(
        site=by.site,
        by=by,
        trainer="sft",
        snapshot=snapshot or make_snapshot(by),
        config={"steps": 4, **config},
        name="A run",
    )


def told(path: Path) -> Any:
    return json.loads(path.read_text())
