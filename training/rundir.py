"""The run folder: everything a trainer reads and writes, and nothing else is shared with it.

config.json (recipe, seeds, provenance), data.jsonl, metrics.jsonl (one line a step), log.txt, checkpoints/step-N/
(valid only with STABLE), adapter/, manifest.json (sha256 of all of these, counts, snapshot). Standard library only.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

STABLE = "STABLE"
PACKAGES = ("torch", "transformers", "peft", "trl", "accelerate", "safetensors", "tokenizers", "numpy")
ROOT = Path(__file__).resolve().parents[1]


class RunFolderError(Exception):
    """The run folder is not what the trainer may go on with; `str()` is one sentence for a person."""


class RunDir:
    """One run folder; `create` makes it, `RunDir(path)` opens it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not (path / "config.json").is_file():
            raise RunFolderError(f"{path} is not a run folder: it has no config.json.")

    @classmethod
    def create(cls, path: Path, config: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> RunDir:
        """A new run folder with its config (provenance added) and data; never over an existing one."""
        if path.exists() and any(path.iterdir()):
            raise RunFolderError(f"{path} is not empty; a run starts in a folder of its own.")
        path.mkdir(parents=True, exist_ok=True)
        with (path / "data.jsonl").open("w") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        whole = {**config, "snapshot": sha256(path / "data.jsonl"), "provenance": provenance()}
        write_json(path / "config.json", whole)
        return cls(path)

    @property
    def config(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads((self.path / "config.json").read_text())
        return read

    def rows(self) -> Iterator[dict[str, Any]]:
        """The data, after a check that it is what the config was made with."""
        if sha256(self.path / "data.jsonl") != self.config["snapshot"]:
            raise RunFolderError("data.jsonl was changed after the run folder was made.")
        return self._lines("data.jsonl")

    def metrics(self) -> list[dict[str, Any]]:
        return list(self._lines("metrics.jsonl"))

    def _lines(self, name: str) -> Iterator[dict[str, Any]]:
        path = self.path / name
        if path.is_file():
            with path.open() as file:
                for line in file:
                    if line.endswith("\n"):  # the last one may be half written, by a killed trainer or just now
                        yield json.loads(line)

    def measured(self, line: Mapping[str, Any]) -> None:
        """Append one step to metrics.jsonl."""
        with (self.path / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def log(self, text: str) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with (self.path / "log.txt").open("a") as file:
            file.write(f"{now} {text}\n")

    @contextmanager
    def checkpoint(self, step: int) -> Iterator[Path]:
        """A folder to write the state after `step` into; it becomes STABLE when the block ends without an error."""
        folder = self.path / "checkpoints" / f"step-{step}"
        shutil.rmtree(folder, ignore_errors=True)  # a crash left it without STABLE, or a longer run is repeated
        folder.mkdir(parents=True)
        yield folder
        for path in _files(folder):
            _sync(path)
        write_json(folder / STABLE, {str(path.relative_to(folder)): sha256(path) for path in _files(folder)})

    def stable(self) -> list[tuple[int, Path]]:
        """(step, folder) of the STABLE checkpoints, oldest first; RunFolderError if one differs from its digests."""
        marked = (path.parent for path in (self.path / "checkpoints").glob(f"step-*/{STABLE}"))
        found = sorted((int(path.name.removeprefix("step-")), path) for path in marked)
        for _, folder in found[-1:]:
            _verify(folder)
        return found

    def keep(self, newest: int) -> None:
        """Delete all but the newest so many checkpoints."""
        for _, folder in self.stable()[:-newest]:
            (folder / STABLE).unlink()
            shutil.rmtree(folder)

    def forget_after(self, step: int) -> None:
        """Drop metrics of steps that will be done again."""
        kept = [line for line in self.metrics() if line["step"] <= step]
        partial = self.path / "metrics.jsonl.partial"
        partial.write_text("".join(json.dumps(line) + "\n" for line in kept))
        partial.replace(self.path / "metrics.jsonl")

    def finish(self, *, counts: Mapping[str, Any], probe: Any = None, **more: Any) -> dict[str, Any]:
        """Write manifest.json: digests of everything in the folder, the snapshot's hash, counts, probe fingerprint."""
        files = [path for path in _files(self.path) if path != self.path / "manifest.json"]
        manifest = {
            "snapshot": self.config["snapshot"],
            "seeds": self.config.get("seeds"),
            "provenance": provenance(),
            "counts": dict(counts),
            "probe": probe,
            **more,
            "files": {str(path.relative_to(self.path)): sha256(path) for path in files},
        }
        write_json(self.path / "manifest.json", manifest)
        return manifest


def _verify(folder: Path) -> None:
    promised: dict[str, str] = json.loads((folder / STABLE).read_text())
    for name, digest in promised.items():
        if not (folder / name).is_file() or sha256(folder / name) != digest:
            raise RunFolderError(f"{folder / name} differs from what {STABLE} says; the checkpoint is damaged.")


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def write_json(path: Path, value: Any) -> None:
    """Whole or not at all: written aside, synced, renamed."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")
    _sync(partial)
    partial.replace(path)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def provenance() -> dict[str, Any]:
    """Code commit, package versions, Python and processor: what a number in this folder depends on."""
    return {
        "commit": code_commit(),
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "machine": {"processor": _processor(), "cores": os.cpu_count()},
    }


def code_commit() -> str:
    """The commit of the code, "-changed" added where files differ from it; "unknown" outside a checkout."""
    try:
        head = _git("rev-parse", "HEAD")
        return head + ("-changed" if _git("status", "--porcelain", "--", "agents", "training") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(ROOT), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())
