"""What a run folder begins with: config.json, and where the weights lie that the trainer goes on from.

{"run", "name", "trainer", "seeds": {"order", "model", "rollout"}, "methods": the recipe of training.methods,
"recipe": the trainer's settings: base, start (an adapter, or null), and what the run's own config says,
"base": what the base weights are, "from": the version, "snapshot_of": the snapshot's digest}
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from clinic.local import default_model, model_server, shipped
from clinic.local.ports import free_port
from clinic.models import ModelVersion
from clinic.services.errors import Refused
from training import places
from training.methods import recipe as recipes
from training.models import Run, TrainerName
from training.rundir import RunDir, write_json
from training.runs.sentences import SENTENCES
from training.serving import files

OWN, LOCAL = "own", "local"
SERVED = "policy"
DEFAULTS: dict[str, dict[str, Any]] = {
    TrainerName.SFT: {"steps": 100},
    TrainerName.REWARD: {"steps": 100},
    TrainerName.DPO: {"steps": 100},
    TrainerName.KTO: {"steps": 100},
    TrainerName.GRPO: {"steps": 40},
    TrainerName.WORLD: {"steps": 200, "warmup": 15, "step_tokens": 500, "threads": 1},
}
"""How long a run is where nobody says it; everything else is the trainer's own default."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Folders of the base model and, where the version is an adapter on it, of the adapter."""

    base: Path
    adapter: Path | None
    described: dict[str, Any]


def of(run: Run) -> dict[str, Any]:
    """config.json of a new run folder, provenance and the data's digest not yet added. Raises Refused."""
    found = weights_of(run.start)
    recipe = {**DEFAULTS.get(run.trainer, {}), **run.config}
    recipe |= {"base": str(found.base), "start": str(found.adapter) if found.adapter else None}
    told: dict[str, Any] = {
        "run": str(run.pk),
        "name": run.name,
        "trainer": run.trainer,
        "seeds": {"order": run.seed, "model": run.seed, "rollout": run.seed},
        "recipe": recipe,
        "methods": recipes.load(run.recipe).as_dict(),
        "base": found.described,
        "from": run.start.version if run.start else None,
        "codec": run.start.codec if run.start else None,
        "snapshot_of": run.snapshot.digest if run.snapshot else None,
    }
    if run.trainer == TrainerName.GRPO:
        recipe.update(_rollouts(recipe))
    return told


def weights_of(version: ModelVersion | None) -> Weights:
    """Where a version's weights lie on this machine; None is the default model. Raises Refused."""
    base = _default() if version is None else _base_of(version)
    adapter = _adapter_of(version) if version and version.adapter else None
    if base is None or (adapter and not adapter.is_dir()):
        raise Refused(SENTENCES["no_weights"].format(version=version.version if version else "the default model"))
    manifest = json.loads((base / "manifest.json").read_text())
    described = {"model": manifest.get("model", base.name), "content": manifest["content"]}
    return Weights(base, adapter, {**described, "licence": manifest.get("licence", "not stated")})


def _default() -> Path | None:
    """What the default version is made of here (ROUNDS_MODEL). Raises LocalProblem."""
    return default_model.chosen().find(places.weights())


def _adapter_of(version: ModelVersion) -> Path:
    """Where it was kept when it was registered; the shipped agent's comes with the code. Raises LocalProblem."""
    return shipped.adapter_of(version.version) or places.adapters() / version.version


def _base_of(version: ModelVersion) -> Path | None:
    """The folder that an adapter rests on; of a whole fine-tune its own."""
    own = places.weights() / version.version
    return own if not version.adapter and own.is_dir() else files.base_folder(version.base)


def _rollouts(recipe: dict[str, Any]) -> dict[str, Any]:
    """How episodes are sampled: "own" is a server that the trainer starts for itself; else an address, or "local"."""
    wanted = recipe.get("rollouts", OWN if model_server.PYTHON.is_file() else LOCAL)
    if wanted == LOCAL:
        return {"rollouts": LOCAL}
    served = recipe.get("served_name", SERVED)
    if wanted != OWN:
        return {"rollouts": wanted, "served_name": served}
    port = free_port()
    command = [str(model_server.PYTHON), "-m", "vllm.entrypoints.openai.api_server"]
    command += model_server.server_arguments(Path("{weights}"), port, served)
    return {"rollouts": OWN, "served_name": served, "serve_command": command, "port": port}


def fresh_server(run_dir: RunDir) -> None:
    """A resumed run's own server at a port that is free now, and as this machine starts servers today."""
    told = run_dir.config
    if told["recipe"].get("rollouts") == OWN:
        told["recipe"].update(_rollouts(told["recipe"]))
        write_json(run_dir.path / "config.json", told)


def root() -> Path:
    """Of the code, where trainers are modules."""
    return Path(settings.BASE_DIR)
