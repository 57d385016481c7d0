"""The files of versions: where adapters and merged weights lie, and whether they are still what was registered."""

from __future__ import annotations

import shutil
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

from agents.weights import merge
from clinic.local import default_model
from clinic.models import ModelVersion
from clinic.services import agent_processes
from clinic.services.errors import Refused
from training import places
from training.serving.sentences import SENTENCES

ADAPTER_FILES = (merge.ADAPTER, "adapter_config.json")


def keep_adapter(source: Path, version: str) -> Path:
    """The adapter's folder under the version's name, copied now unless it is there; whole or not at all."""
    target = places.adapters() / version
    if not target.is_dir():
        _copied(source, target, [name for name in ADAPTER_FILES if (source / name).is_file()])
    return target


def keep_model(source: Path, version: str) -> Path:
    """The same for a whole model folder, which is served as it is."""
    target = places.weights() / version
    if not target.is_dir():
        _copied(source, target, [path.name for path in source.iterdir() if path.is_file()])
    return target


def _copied(source: Path, target: Path, names: list[str]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".keeping-", dir=target.parent) as scratch:
        folder = Path(scratch) / "kept"
        folder.mkdir(mode=0o755)
        for name in names:
            shutil.copyfile(source / name, folder / name)
        folder.rename(target)


def merged(adapter: Path, base: str, version: str) -> Path:
    """The model folder that a CPU serves for an adapter, made now unless it is there. Raises Refused."""
    folder = base_folder(base)
    if folder is None:
        raise Refused(SENTENCES["no_base"].format(version=version))
    try:
        merge.merge(adapter, folder, places.weights() / version)
    except (merge.CannotMerge, OSError, KeyError, ValueError) as problem:
        raise Refused(SENTENCES["cannot_merge"].format(version=version, why=problem)) from problem
    return places.weights() / version


def base_folder(content: str) -> Path | None:
    """The model folder on this machine whose manifest names this content."""
    for path in sorted(places.weights().glob("*/manifest.json")):
        if default_model.manifest(path.parent).get("content") == content:
            return path.parent
    return None


def digests(folder: Path) -> dict[str, str]:
    """sha256 of every file of the folder but its manifest, by name."""
    paths = sorted(path for path in folder.iterdir() if path.is_file() and path.name != "manifest.json")
    return {path.name: _digest(path) for path in paths}


def altered(version: ModelVersion) -> list[str]:
    """Files on this machine that are not, or no longer, what was registered; empty where all are, or none is here."""
    return [name for folder, known in _known(version) for name in _differing(folder, known)]


def _known(version: ModelVersion) -> list[tuple[Path, dict[str, str]]]:
    """(folder, digests as they were when it was registered)."""
    told: dict[str, dict[str, str]] = version.manifest.get("files") or {}
    if told:
        weights = places.weights() / str(version.manifest.get("weights") or version.version)
        places_of = {"adapter": places.adapters() / version.version, "weights": weights}
        return [(places_of[part], known) for part, known in told.items()]
    folder = agent_processes.weights_of(version)
    if folder is None:
        return []
    files: dict[str, Any] = default_model.manifest(folder).get("files", {})
    return [(folder, {name: entry["sha256"] for name, entry in files.items()})]


def _differing(folder: Path, known: dict[str, str]) -> list[str]:
    if not folder.is_dir():
        return [f"{folder.name}: the folder is gone"]
    found = digests(folder)
    return sorted(f"{folder.name}/{name}" for name in {*known, *found} if known.get(name) != found.get(name))


def _digest(path: Path) -> str:
    told = path.stat()
    # The time of the last change of the entry itself cannot be set back as that of the content can.
    return _sha256(path, told.st_ino, told.st_size, told.st_mtime_ns, told.st_ctime_ns)


@lru_cache(maxsize=256)
def _sha256(path: Path, *stamp: int) -> str:
    return merge.sha256(path)
