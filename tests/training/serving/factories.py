"""Finished run folders with real adapters, and versions that may be promoted."""

from __future__ import annotations

import json
import random
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from agents.identity import Fingerprint, Row
from agents.weights import tensors
from clinic.models import ModelVersion, Role, User
from clinic.services import versions
from tests.clinic.factories import default_site, make_user
from tests.doubles.engine import _of_weights
from tests.training.gates.factories import make_passed, make_record, starter_of
from training import gates, places
from training.models import Run, SignatureRole
from training.serving import files, results
from training.trainers.model_folder import describe

LAYER = "model.layers.0.self_attn.q_proj"
_numbers = count(1)


def make_base(name: str = "base", **told: Any) -> str:
    """A model folder of two small tensors under the weights folder; its content."""
    folder = places.weights() / name
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    weight = tensors.bfloat16(rng.normal(size=(6, 4)).astype("float32"))
    tensors.write(folder / "model.safetensors", {f"{LAYER}.weight": weight})
    (folder / "config.json").write_text("{}")
    return describe(folder, **{"model": "SmolLM2", "licence": "Apache-2.0", "context": 4096, **told})


def make_adapter(folder: Path, seed: int) -> None:
    folder.mkdir(parents=True)
    rng, stem = np.random.default_rng(seed), f"base_model.model.{LAYER}"
    parts = {
        f"{stem}.lora_A.weight": tensors.bfloat16(rng.normal(size=(2, 4)).astype("float32")),
        f"{stem}.lora_B.weight": tensors.bfloat16(rng.normal(size=(6, 2)).astype("float32")),
    }
    tensors.write(folder / "adapter_model.safetensors", parts)
    settings = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(settings))


def make_run(base: str, *, seed: int | None = None, manifest: dict[str, Any] | None = None, **fields: Any) -> Run:
    """A run whose trainer has ended well; nothing is registered yet."""
    number = next(_numbers)
    name = f"run-of-serving-{number}"
    defaults = {"site": default_site(), "trainer": "grpo", "recipe": "default", "status": "succeeded", "folder": name}
    run = Run.objects.create(**{**defaults, **fields})
    folder = places.runs() / name
    make_adapter(folder / "adapter", number if seed is None else seed)
    config = {"base": {"model": "SmolLM2", "content": base, "licence": "Apache-2.0"}, "codec": "structured"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "manifest.json").write_text(json.dumps({"counts": {"episodes": 64}, **(manifest or {})}))
    return run


def register(run: Run) -> ModelVersion:
    """As the supervisor of a run does when it has ended well."""
    version = results.register_result(run)
    Run.objects.filter(pk=run.pk).update(version=version)
    return version


def make_candidate(base: str, *, known: bool = True, **fields: Any) -> ModelVersion:
    """A registered candidate; `known`: its trainer kept what a fake engine with its weights will answer."""
    version = register(make_run(base, by=make_user(Role.ADMIN), **fields))
    if known:
        fingerprint = fingerprint_of(version.version)
        versions.keep_fingerprint(
            version=version, name=fingerprint.name, fingerprint=fingerprint.as_dict(), source="the trainer"
        )
    return version


def fingerprint_of(weights: str) -> Fingerprint:
    """What a fake engine with these weights answers."""
    rng, rows = random.Random(7), []
    for _ in range(8):
        ids = [rng.randrange(1000) for _ in range(14)]
        told = [_of_weights(weights, n, token)["logprob"] for n, token in enumerate(ids)]
        rows.append(Row(tuple(ids[:6]), tuple(ids[6:]), tuple(told[6:])))
    return Fingerprint(tuple(rows))


def clear(version: ModelVersion) -> ModelVersion:
    """Passed by the demo profile, and signed by two people who did not start its run."""
    record = make_record(make_passed(version))
    gates.sign(record=record, by=make_user(Role.ADJUDICATOR), role=SignatureRole.PHYSICIAN)
    gates.sign(record=record, by=make_user(Role.ADMIN), role=SignatureRole.ADMIN)
    assert starter_of(version) is not None
    return version


def make_serving(base_name: str = "base") -> ModelVersion:
    """The base itself serves, as a person once let it."""
    content = files.default_model.manifest(places.weights() / base_name)["content"]
    version = ModelVersion.objects.create(
        role="agent",
        version=f"dx-base-{content[:12]}",
        name="SmolLM2",
        base=content,
        codec="structured",
        manifest={"weights": base_name, "files": {"weights": files.digests(places.weights() / base_name)}},
    )
    version.move_to("serving", by=admin())
    return version


def admin() -> User:
    return make_user(Role.ADMIN)
