"""How the web and the supervisor speak about the embedded world model: two small files in a folder.

Whoever needs it touches `world.wanted`; the supervisor says in `world.json` how far it is. Nothing else is shared.
ROUNDS_WORLD names the folder: that of the home, or of one command that started its own.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

OFF, STARTING, READY, FAILED = "off", "starting", "ready", "failed"


@dataclass(frozen=True, slots=True)
class WorldState:
    """`state` is off, starting, ready or failed; `step` says what starting is doing, `reason` why it failed."""

    state: str = OFF
    step: str = ""
    reason: str = ""
    version: str = ""
    """The version that is served, which is also the name its server knows it by."""
    url: str = ""
    engine: str = ""


def want(folder: Path) -> None:
    """Ask for the world model, or to keep it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "world.wanted").touch()


def wanted_at(folder: Path) -> float | None:
    """When it was last asked for, in seconds since the epoch; None if never."""
    try:
        return (folder / "world.wanted").stat().st_mtime
    except FileNotFoundError:
        return None


def forget(folder: Path) -> None:
    """Nobody wants it, and nothing is served: at the supervisor's start and end."""
    for name in ("world.wanted", "world.json"):
        (folder / name).unlink(missing_ok=True)


def read(folder: Path) -> WorldState:
    try:
        return WorldState(**json.loads((folder / "world.json").read_text()))
    except FileNotFoundError:
        return WorldState()


def write(folder: Path, state: WorldState) -> None:
    fresh = folder / "world.json.new"
    fresh.write_text(json.dumps(asdict(state)))
    fresh.rename(folder / "world.json")
