"""Merges a LoRA adapter into base weights, for servers that decode merged weights faster than adapters.

python -m agents.weights.merge ADAPTER BASE OUT

ADAPTER is a folder as peft saves it, BASE and OUT are model folders. W + alpha/r * B A (Hu et al. 2021,
arXiv 2106.09685) is summed in float32 and rounded once to bfloat16. numpy alone: no torch and no peft.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from agents.weights import tensors

WEIGHTS = "model.safetensors"
ADAPTER = "adapter_model.safetensors"
PREFIX = "base_model.model."
REFUSED = ("use_dora", "modules_to_save", "rank_pattern", "alpha_pattern", "fan_in_fan_out", "lora_bias")
"""Options of peft that change the sum; none is used here, so an adapter that has one is refused, not mangled."""


class CannotMerge(ValueError):
    """The adapter does not fit the base, or is of a kind that this sum does not cover."""


def merge(adapter: Path, base: Path, out: Path) -> dict[str, Any]:
    """Write the merged model folder `out` (complete or not at all) and return its manifest.

    `out` may exist already: it is then returned as it is if it was made of the same two, else CannotMerge.
    """
    source = {"base": content(base), "adapter": sha256(adapter / ADAPTER)}
    if (out / "manifest.json").is_file():
        manifest: dict[str, Any] = json.loads((out / "manifest.json").read_text())
        if manifest.get("source") != source:
            raise CannotMerge(f"{out} holds other weights")
        return manifest
    _check_base(adapter, source["base"])
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".merging-", dir=out.parent) as scratch:
        folder = Path(scratch) / "model"
        folder.mkdir(mode=0o755)
        _copy_others(base, folder)
        tensors.write(folder / WEIGHTS, _merged(adapter, tensors.read(base / WEIGHTS)))
        manifest = _write_manifest(folder, adapter, base, source)
        os.rename(folder, out)
    return manifest


def content(model: Path) -> str:
    """The sha256 that names a model folder: its manifest's where it has one, else that of its weights file."""
    manifest = model / "manifest.json"
    if manifest.is_file():
        return str(json.loads(manifest.read_text())["content"])
    return sha256(model / WEIGHTS)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_base(adapter: Path, base: str) -> None:
    """An adapter whose manifest names its base merges into that base only."""
    path = adapter / "manifest.json"
    wanted = json.loads(path.read_text())["base"]["content"] if path.is_file() else base
    if wanted != base:
        raise CannotMerge(f"the adapter was trained on base {wanted[:12]}, not on {base[:12]}")


def _merged(adapter: Path, weights: dict[str, tensors.Tensor]) -> dict[str, tensors.Tensor]:
    config = json.loads((adapter / "adapter_config.json").read_text())
    scale = _scale(config)
    deltas = tensors.read(adapter / ADAPTER)
    merged = dict(weights)
    for name in [name for name in deltas if name.endswith(".lora_A.weight")]:
        stem = name.removesuffix(".lora_A.weight")
        target = stem.removeprefix(PREFIX) + ".weight"
        if target not in weights:
            raise CannotMerge(f"the base has no {target}")
        a = deltas.pop(name).float32()  # (r, in)
        b = deltas.pop(f"{stem}.lora_B.weight").float32()  # (out, r)
        merged[target] = _sum(weights[target], a, b, scale, target)
    if deltas:
        raise CannotMerge(f"the adapter has tensors of another kind: {', '.join(sorted(deltas)[:3])}")
    return merged


def _sum(
    weight: tensors.Tensor, a: np.ndarray[Any, Any], b: np.ndarray[Any, Any], scale: float, name: str
) -> tensors.Tensor:
    if weight.shape != (b.shape[0], a.shape[1]):
        raise CannotMerge(f"{name} is {weight.shape}, the adapter's is {(b.shape[0], a.shape[1])}")
    return tensors.bfloat16(weight.float32() + np.float32(scale) * (b @ a))


def _scale(config: dict[str, Any]) -> float:
    refused = [option for option in REFUSED if config.get(option)]
    if config.get("peft_type") != "LORA" or config.get("bias", "none") != "none" or refused:
        raise CannotMerge(f"only plain LoRA adapters can be merged, not {', '.join(refused) or 'this kind'}")
    rank = float(config["r"])
    return float(config["lora_alpha"]) / (rank**0.5 if config.get("use_rslora") else rank)


def _copy_others(base: Path, folder: Path) -> None:
    for path in sorted(base.iterdir()):
        if path.is_file() and path.name not in (WEIGHTS, "manifest.json"):
            shutil.copyfile(path, folder / path.name)


def _write_manifest(folder: Path, adapter: Path, base: Path, source: dict[str, str]) -> dict[str, Any]:
    files = {path.name: {"sha256": sha256(path), "bytes": path.stat().st_size} for path in sorted(folder.iterdir())}
    named = "".join(f"{name}={entry['sha256']}\n" for name, entry in files.items())
    of_base = json.loads((base / "manifest.json").read_text()) if (base / "manifest.json").is_file() else {}
    manifest = {
        "model": f"{of_base.get('model', base.name)} with {adapter.name}",
        "licence": of_base.get("licence"),
        "source": source,
        "recipe": "merged",
        "content": hashlib.sha256(named.encode()).hexdigest(),
        "context": of_base.get("context"),
        "files": files,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    return manifest


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m agents.weights.merge", description=__doc__.splitlines()[0])
    for name in ("adapter", "base", "out"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    try:
        manifest = merge(arguments.adapter, arguments.base, arguments.out)
    except (CannotMerge, OSError, KeyError, ValueError) as problem:
        print(f"The adapter could not be merged: {problem}.", file=sys.stderr)  # noqa: T201
        return 1
    print(json.dumps({"out": str(arguments.out), "content": manifest["content"]}))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
