"""Puts the adapter of one row of the table where `run.py` finds it: bfloat16, with a manifest that says all of it."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from agents.codecs import by_name
from agents.identity import Fingerprint
from agents.knowledge.conditions import vocabulary
from agents.weights import merge, tensors
from clinic.local import shipped
from training.default import folders, learning, stages
from training.default.chain import ChainError
from training.rundir import RunDir, provenance, sha256, write_json

INTO = shipped.ADAPTER
MOST_BYTES = 40_000_000
"""Of all shipped adapters together."""
TRAINED_ON = "virtual patients only, not on physicians' verdicts"
CONFIG = "adapter_config.json"


def best(made: dict[str, Any]) -> str:
    """The row that is right most often, the cheaper one of two; never the bare base and never the control."""
    rows = [row for row in made["rows"] if row["row"] not in (stages.BASE, stages.CONTROL)]
    if not rows:
        raise ChainError("No trained row has been evaluated, so none can be shipped.")

    def worth(row: dict[str, Any]) -> tuple[float, float]:
        return row["numbers"]["accuracy"]["value"], -row["numbers"]["cost"]["value"]

    return str(max(rows, key=worth)["row"])


def ship(root: Path, made: dict[str, Any], into: Path, *, row: str | None = None) -> dict[str, Any]:
    """The adapter of the best row, or of `row` where a person says so, from the stages below `root`.

    Raises ChainError where it was not evaluated, where it learned another prompt or other knowledge than this code
    has, or where all adapters together would be too large.
    """
    found = {one["row"]: one for one in made["rows"]}
    chosen, first = row or best(made), best(made)
    if chosen not in found or chosen == stages.BASE:
        raise ChainError(f"{chosen} is no trained row of the table; there are {', '.join(found)}.")
    run = RunDir(root / chosen)
    if not folders.is_whole(run.path):
        raise ChainError(f"{run.path} is not whole.")
    _refuse_other_words(root, run.config["codec"])
    with tempfile.TemporaryDirectory(prefix=".shipping-", dir=_made(into.parent)) as scratch:
        folder = Path(scratch) / into.name
        folder.mkdir(mode=0o755)
        _write(run, folder)
        _refuse_too_large(folder, into)
        told = manifest(run, folder, into.name, found[chosen], root, best_row=first)
        write_json(folder / "manifest.json", told)
        shutil.rmtree(into, ignore_errors=True)
        folder.rename(into)
    return {"row": chosen, "best": first, "folder": str(into), "content": told["content"]}


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _write(run: RunDir, folder: Path) -> None:
    learned = tensors.read(run.path / "adapter" / merge.ADAPTER)
    halves = {name: tensors.bfloat16(tensor.float32()) for name, tensor in learned.items()}
    tensors.write(folder / merge.ADAPTER, halves)
    shutil.copyfile(run.path / "adapter" / CONFIG, folder / CONFIG)


def _refuse_other_words(root: Path, codec: str) -> None:
    for path in root.glob("*/growing.manifest.json"):
        told = json.loads(path.read_text())
        if told["codec"] == codec:
            learning.refuse_other_words(told, codec, str(path.parent))


def _refuse_too_large(folder: Path, into: Path) -> None:
    others = [path for path in into.parent.glob(f"*/{merge.ADAPTER}") if path.parent not in (into, folder)]
    total = sum(path.stat().st_size for path in [*others, folder / merge.ADAPTER])
    if total > MOST_BYTES:
        raise ChainError(f"All adapters together would be {total / 1e6:.1f} MB; at most {MOST_BYTES / 1e6:.0f}.")


def manifest(
    run: RunDir, folder: Path, name: str, figures: dict[str, Any], root: Path, *, best_row: str
) -> dict[str, Any]:
    """What the adapter is, what it was made of, and how well it did."""
    config, whole = run.config, folders.manifest(run.path)
    codec = by_name(config["codec"])
    files = {part: sha256(folder / part) for part in (merge.ADAPTER, CONFIG)}
    listed = "".join(f"{part}={digest}\n" for part, digest in sorted(files.items()))
    return {
        "name": name,
        "role": "agent",
        "licence": "Apache-2.0",
        "trained_on": TRAINED_ON,
        "base": config["base"],
        "codec": codec.name,
        "prompt": codec.digest,
        "knowledge": vocabulary().version,
        "row": figures["row"],
        "best_row": best_row,
        "figures": figures,
        "stages": _contents(root),
        "seeds": config["seeds"],
        "recipe": {key: value for key, value in whole["recipe"].items() if key in RECIPE},
        "probe": whole["probe"],
        "probe_name": Fingerprint.from_dict(whole["probe"]).name,
        "probe_base": whole["probe_base"],
        "provenance": provenance(),
        "files": files,
        "content": hashlib.sha256(listed.encode()).hexdigest(),
    }


RECIPE = (
    "method", "rank", "alpha", "dtype", "lr", "schedule", "warmup", "steps", "batch", "groups", "group", "temperature",
)  # fmt: skip
"""Settings that the manifest repeats; the others are paths, ports and threads."""


def _contents(root: Path) -> dict[str, str]:
    """Content of every whole stage of this seed."""
    return {path.parent.name: folders.content(path.parent) for path in sorted(root.glob("*/manifest.json"))}
