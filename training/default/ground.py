"""What the chain stands on: base weights and the environments of trainers and servers, made where they are missing."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clinic.local import default_model, model_server, weights
from clinic.local.home import ROOT
from clinic.local.ports import free_port
from training.default.chain import ChainError
from training.default.children import Children
from training.default.profiles import Profile

TINY_CASES, TINY_STEPS = 40, 200
"""Enough for most answers to be well formed; a minute or two."""
SERVED = "policy"


@dataclass(frozen=True)
class Ground:
    """`base` is a model folder, `described` what config.json and manifests say of it."""

    base: Path
    described: dict[str, Any]
    codec: str
    rollouts: str

    def serving(self) -> dict[str, Any]:
        """Where a stage's tokens are sampled, as settings of its recipe; a server of its own gets a port free now."""
        if self.rollouts != "own":
            return {"rollouts": self.rollouts}
        port = free_port()
        command = [str(model_server.PYTHON), "-m", "vllm.entrypoints.openai.api_server"]
        command += model_server.server_arguments(Path("{weights}"), port, SERVED)
        return {"rollouts": "own", "served_name": SERVED, "serve_command": command, "port": port}


def ready(profile: Profile, into: Path, children: Children) -> Ground:
    """Everything that is not there is made. Raises ChainError, Interrupted."""
    log = into.parent / "log" / "train_default"
    if not children.python.is_file():
        children.command(sys.executable, str(ROOT / "run.py"), "env", "train", folder=log, what="the environment")
    if profile.rollouts == "own" or profile.base != "tiny":
        children.command(sys.executable, str(ROOT / "run.py"), "env", "serve", folder=log, what="the environment")
    base = _tiny(into, children, log) if profile.base == "tiny" else _smollm(into, children, log)
    told = json.loads((base / "manifest.json").read_text())
    described = {"model": told.get("model", base.name), "content": told["content"]}
    described["licence"] = told.get("licence", "not stated")
    return Ground(base, described, profile.codec, profile.rollouts)


def _smollm(into: Path, children: Children, log: Path) -> Path:
    if weights.find(into) is None:
        command = (str(model_server.PYTHON), weights.__file__, str(into))
        children.command(*command, folder=log, what="making the base weights")
    return _found(weights.find(into), into)


def _tiny(into: Path, children: Children, log: Path) -> Path:
    """Made in a folder of its own: that of the demonstration is larger."""
    small = into / "smoke"
    options = ("--cases", str(TINY_CASES), "--steps", str(TINY_STEPS))
    children.run("training.trainers.tiny", str(small), *options, folder=log)
    return _found(default_model.TINY.find(small), small)


def _found(folder: Path | None, into: Path) -> Path:
    if folder is None:
        raise ChainError(f"There are no base weights in {into}.")
    return folder
