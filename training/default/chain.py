"""Runs stages in their order: those that are whole are skipped, one that broke off goes on where it was.

A stage is a function that is given its `Work` and leaves a whole run folder behind. What it is made from (the content
of the stages before it, and its settings) stands in its config.json; a folder made from something else is refused.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from training.default import folders
from training.rundir import RunDir, RunFolderError, write_json

Tell = Callable[[str], None]


class ChainError(Exception):
    """A stage cannot be made; `str()` is one sentence for a person."""


class Interrupted(Exception):
    """Somebody asked to stop; what is STABLE is kept, and the same command goes on."""


class Runs(Protocol):
    """What starts the programs of stages (children.Children; tests have their own)."""

    def run(self, module: str, *arguments: str, folder: Path, total: int | None = None) -> None:
        """A module of the training environment to its end. Raises ChainError, Interrupted."""


@dataclass(frozen=True)
class Stage:
    """One step of the chain. `settings` of the profile are part of what it is made from."""

    name: str
    after: tuple[str, ...]
    make: Callable[[Work], None]
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Work:
    """What a stage is given: its folder, those before it, its settings, and who runs programs."""

    stage: Stage
    folder: Path
    before: Mapping[str, Path]
    made_from: Mapping[str, Any]
    seed: int
    runs: Runs
    tell: Tell

    @property
    def settings(self) -> Mapping[str, Any]:
        return self.stage.settings

    def open(self, config: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> RunDir:
        """The stage's run folder, made now unless it is there; `rows` are read only then."""
        return self.open_at(self.folder, config, rows)

    def open_at(self, folder: Path, config: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> RunDir:
        """The same at another place, for a stage with a part that is a run of its own."""
        if not (folder / "config.json").is_file():
            shutil.rmtree(folder, ignore_errors=True)  # making it broke off: it holds nothing yet
            return RunDir.create(folder, {**config, "stage": self.stage.name, "made_from": self.made_from}, rows)
        return RunDir(folder)

    def reconfigure(self, run: RunDir, **changes: Any) -> None:
        """Settings of the recipe that are no content, as a port that is free today."""
        config = run.config
        config["recipe"] = {**config["recipe"], **changes}
        write_json(run.path / "config.json", config)


class Chain:
    """All stages of one seed below `root`."""

    def __init__(self, stages: Sequence[Stage], root: Path, *, seed: int, runs: Runs, tell: Tell) -> None:
        self.stages = {stage.name: stage for stage in stages}
        self.root, self.seed, self.runs, self.tell = root, seed, runs, tell

    def make(self, last: str | None = None) -> list[dict[str, Any]]:
        """Every stage, or one and all that it needs; what was done. Raises ChainError, Interrupted."""
        return [self._stage(stage) for stage in self.needed(last)]

    def needed(self, last: str | None) -> list[Stage]:
        """The stages to make, in order; ChainError for an unknown name."""
        if last is None:
            return list(self.stages.values())
        if last not in self.stages:
            raise ChainError(f"No stage {last!r}; there are {', '.join(self.stages)}.")
        wanted = {last}
        for stage in reversed(list(self.stages.values())):
            wanted |= set(stage.after) if stage.name in wanted else set()
        return [stage for stage in self.stages.values() if stage.name in wanted]

    def folder(self, name: str) -> Path:
        return self.root / str(self.seed) / name

    def _stage(self, stage: Stage) -> dict[str, Any]:
        folder, made_from = self.folder(stage.name), self._made_from(stage)
        self._refuse_other(stage, folder, made_from)
        told = {"stage": stage.name, "folder": str(folder)}
        if folders.is_whole(folder):
            self.tell(f"{stage.name}: whole")
            return {**told, "seconds": 0.0, "content": folders.content(folder)}
        self.tell(f"{stage.name}: {'goes on' if folder.is_dir() else 'begins'}")
        began = time.monotonic()
        before = {name: self.folder(name) for name in stage.after}
        try:
            stage.make(Work(stage, folder, before, made_from, self.seed, self.runs, self.tell))
        except RunFolderError as problem:
            raise ChainError(f"{stage.name}: {problem}") from problem
        if not folders.is_whole(folder):
            raise ChainError(f"{stage.name} ended without a manifest; see {folder}.")
        return {**told, "seconds": round(time.monotonic() - began, 1), "content": folders.content(folder)}

    def _made_from(self, stage: Stage) -> dict[str, Any]:
        contents = {name: folders.content(self.folder(name)) for name in stage.after}
        told: dict[str, Any] = json.loads(json.dumps({"stages": contents, "settings": dict(stage.settings)}))
        return told

    def _refuse_other(self, stage: Stage, folder: Path, made_from: Mapping[str, Any]) -> None:
        config = folder / "config.json"
        if not config.is_file():
            return
        found = json.loads(config.read_text()).get("made_from") or {}
        if found == made_from:
            return
        other = [part for part in ("stages", "settings") if found.get(part) != made_from[part]]
        words = {"stages": "other stages before it", "settings": "other settings"}
        raise ChainError(
            f"{stage.name} was made from {' and '.join(words[part] for part in other)}; move {folder} away to make it"
            " anew, or keep it with another --seed or ROUNDS_HOME."
        )
