"""Which world model this machine can serve: the shipped adapter merged into the default base, or the base untrained."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from agents.weights import merge
from clinic.local import weights
from clinic.local.home import ROOT

ADAPTER = ROOT / "agents" / "weights" / "world-virtual"


@dataclass(frozen=True, slots=True)
class WorldWeights:
    """One world model by its content. `version` names it on every result; `adapter` is "" where nothing was trained."""

    version: str
    name: str
    base: str
    adapter: str
    folder: Path
    """The model folder vLLM loads; of a trained one it is made by merging."""
    base_folder: Path

    @property
    def trained(self) -> bool:
        return bool(self.adapter)

    @property
    def made(self) -> bool:
        return (self.folder / "manifest.json").is_file()


def planned(into: Path, adapter: Path = ADAPTER) -> WorldWeights | None:
    """The weights to serve, made or not, under the weights folder `into`; None until the base weights are there."""
    base_folder = weights.find(into)
    if base_folder is None:
        return None
    base = str(json.loads((base_folder / "manifest.json").read_text())["content"])
    if not (adapter / merge.ADAPTER).is_file():
        name = f"{weights.MODEL}, not trained as a world model"
        return WorldWeights(f"world-untrained-{base[:12]}", name, base, "", base_folder, base_folder)
    trained = _sha256(adapter / merge.ADAPTER, (adapter / merge.ADAPTER).stat().st_mtime_ns)
    version = f"world-{trained[:12]}"
    return WorldWeights(version, f"{weights.MODEL} with {adapter.name}", base, trained, into / version, base_folder)


@lru_cache(maxsize=4)
def _sha256(path: Path, changed: int) -> str:
    return merge.sha256(path)
