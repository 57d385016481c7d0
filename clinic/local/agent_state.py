"""How web and worker speak with the supervisor about agents that it serves: small files in a folder.

`serving` names the version that serves, `VERSION.wanted` asks for one (its age says how long ago), and the supervisor
says in `agents.json` how far each is. Rows are the truth: these files are written from them. ROUNDS_AGENTS names the
folder: that of the home, or of one command that started its own.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

OFF, STARTING, READY, DRAINING, FAILED = "off", "starting", "ready", "draining", "failed"
STATES, SERVING = "agents.json", "serving"


@dataclass(frozen=True, slots=True)
class AgentState:
    """One version's server. `step` says what starting is doing, `reason` why it failed."""

    state: str = OFF
    step: str = ""
    reason: str = ""
    url: str = ""
    name: str = ""
    """What its server knows it by."""
    engine: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """A version that somebody wants served: from which folder, and when it was last asked for (epoch seconds)."""

    version: str
    folder: str
    at: float
    urgent_at: float = 0.0
    """When a consultation last waited for it."""


def want(folder: Path, version: str, weights: Path, *, urgent: bool = False) -> None:
    """Ask for a version, or to keep it; `urgent` where a consultation waits for it."""
    _write(folder, f"{version}.wanted", {"folder": str(weights)})
    if urgent:
        (folder / f"{version}.urgent").touch()


def forget(folder: Path, version: str) -> None:
    """Nobody wants it any more."""
    for ending in ("wanted", "urgent"):
        (folder / f"{version}.{ending}").unlink(missing_ok=True)


def wishes(folder: Path) -> list[Wish]:
    """The newest first."""
    found = []
    for path in folder.glob("*.wanted"):
        try:
            told, version = json.loads(path.read_text()), path.name.removesuffix(".wanted")
            urgent = folder / f"{version}.urgent"
            urgent_at = urgent.stat().st_mtime if urgent.exists() else 0.0
            found.append(Wish(version, str(told["folder"]), path.stat().st_mtime, urgent_at))
        except FileNotFoundError:  # forgotten meanwhile
            continue
    return sorted(found, key=lambda wish: wish.at, reverse=True)


def serve(folder: Path, version: str, weights: Path | None) -> None:
    """Say which version serves; without weights it is the default model."""
    _write(folder, SERVING, {"version": version, "folder": str(weights) if weights else ""})


def serving(folder: Path) -> Wish | None:
    """The version that serves, as was said last; None where that is the default model."""
    try:
        path = folder / SERVING
        told = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return Wish(told["version"], told["folder"], path.stat().st_mtime) if told["folder"] else None


def read(folder: Path) -> dict[str, AgentState]:
    """The supervisor's word on each version that it has a server for, or gave up."""
    try:
        told: dict[str, dict[str, Any]] = json.loads((folder / STATES).read_text())
    except FileNotFoundError:
        return {}
    return {version: AgentState(**state) for version, state in told.items()}


def write(folder: Path, states: dict[str, AgentState]) -> None:
    _write(folder, STATES, {version: asdict(state) for version, state in states.items()})


def clear(folder: Path) -> None:
    """At the supervisor's start and end: nothing runs, and no wish of an earlier time counts."""
    for path in [*folder.glob("*.wanted"), *folder.glob("*.urgent"), folder / STATES]:
        path.unlink(missing_ok=True)


def _write(folder: Path, name: str, content: object) -> None:
    """Whole or not at all: several processes write here, each from several threads."""
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f".{name}.{secrets.token_hex(8)}.new"
    fresh.write_text(json.dumps(content))
    fresh.rename(folder / name)
