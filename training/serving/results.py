"""What a finished run made becomes a version, named by the content of its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agents.identity import KIND, Fingerprint
from agents.weights import merge
from clinic.models import ModelRole, ModelVersion, Training
from clinic.services import versions
from clinic.services.errors import Refused
from training import places
from training.models import Run, TrainerName
from training.rundir import sha256
from training.serving import files
from training.serving.sentences import SENTENCES

ROLES = {TrainerName.WORLD: ModelRole.WORLD, TrainerName.REWARD: ModelRole.JUDGE}
PREFIXES = {ModelRole.AGENT: "dx", ModelRole.WORLD: "world", ModelRole.JUDGE: "reward"}
CODECS = {ModelRole.WORLD: "grammar", ModelRole.JUDGE: "score"}
DEMO_MODELS = ("tiny",)
"""Bases that are for demonstrations: what is made of them never sees a real patient's case."""


def register_result(run: Run) -> ModelVersion:
    """The candidate version of a finished run folder: made now, or found where the same weights are known.

    The adapter is copied to adapters/VERSION and merged into weights/VERSION; a whole fine-tune is its own model
    folder. Repeatable, so that the caller's transaction may be tried again. Raises Refused.
    """
    folder = places.runs() / run.folder
    made, config = _made_by(folder), json.loads((folder / "config.json").read_text())
    role = ROLES.get(TrainerName(run.trainer), ModelRole.AGENT)
    is_lora = made.name == merge.ADAPTER
    digest = sha256(made)
    version = f"{PREFIXES[role]}-{digest[:12]}"
    base = str((config.get("base") or {}).get("content") or (run.start.base if run.start else ""))
    told = _keep(made.parent, base, version, is_lora=is_lora, served=role == ModelRole.AGENT)
    return versions.register(
        by=run.by,
        role=role,
        version=version,
        name=_name(run, config),
        base=base if is_lora else digest,
        adapter=digest if is_lora else "",
        codec=CODECS.get(role) or str(config.get("codec") or (run.start.codec if run.start else "structured")),
        training=Training.VIRTUAL,
        manifest={**_provenance(run, config, _manifest(folder)), **told},
    )


def _made_by(folder: Path) -> Path:
    """The file with the trained weights: an adapter's, or a whole model's."""
    for name in (merge.ADAPTER, merge.WEIGHTS):
        if (folder / "adapter" / name).is_file():
            return folder / "adapter" / name
    raise Refused(SENTENCES["no_result"].format(folder=folder.name))


def _keep(source: Path, base: str, version: str, *, is_lora: bool, served: bool) -> dict[str, Any]:
    """Copies, and merges what a CPU will serve; the digests by which a later change is noticed."""
    if not is_lora:
        return {"weights": version, "files": {"weights": files.digests(files.keep_model(source, version))}}
    adapter = files.keep_adapter(source, version)
    told: dict[str, Any] = {"files": {"adapter": files.digests(adapter)}}
    if served:
        told["weights"] = version
        told["files"]["weights"] = files.digests(files.merged(adapter, base, version))
    return told


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    read: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return read


def _provenance(run: Run, config: Mapping[str, Any], manifest: Mapping[str, Any]) -> dict[str, Any]:
    described = config.get("base") or {}
    told: dict[str, Any] = {
        "run": str(run.pk),
        "trainer": run.trainer,
        "recipe": run.recipe,
        "config": run.config,
        "seed": run.seed,
        "from": run.start.version if run.start else None,
        "base": {key: described.get(key) for key in ("model", "content", "licence")},
        "snapshot": run.snapshot.digest if run.snapshot else None,
        "counts": manifest.get("counts", {}),
        "provenance": manifest.get("provenance", {}),
        "trained_on": "virtual patients and what physicians judged of them",
        "demo": described.get("model") in DEMO_MODELS,
    }
    return told | _fingerprints(manifest)


def _fingerprints(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What the trainer's last weights, and those it began from, answered to the identity probes; {} if never asked."""
    own, start = _fingerprint(manifest.get("probe")), _fingerprint(manifest.get("probe_base"))
    if own is None:
        return {}
    told: dict[str, Any] = {"probe": own.name, "fingerprint": own.as_dict(), "fingerprint_from": "the trainer"}
    return told | ({"fingerprint_of_start": start.as_dict()} if start else {})


def _fingerprint(told: object) -> Fingerprint | None:
    """None where a trainer keeps something else under that name, as that of world models does; raises Refused."""
    if not isinstance(told, dict) or told.get("kind") != KIND:
        return None
    try:
        return Fingerprint.from_dict(told)
    except (KeyError, TypeError, ValueError) as error:
        raise Refused(SENTENCES["broken_weights"].format(why=error)) from error


def _name(run: Run, config: Mapping[str, Any]) -> str:
    base = str((config.get("base") or {}).get("model") or "model")
    return f"{base}, {run.get_trainer_display().lower()}: {run}"[:160]
