"""The tiny policy: made of the virtual clinic alone, the same each time, in a folder that a model server can load."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agents.weights.merge import content
from tests.training.trainers import environment
from training.rundir import sha256

pytestmark = pytest.mark.slow
SMALL = ("--cases", "3", "--steps", "3")


def make(into: Path, *options: str) -> Path:
    out, _ = environment.run("training.trainers.tiny", str(into), *SMALL, *options)
    return Path(out.splitlines()[-1])


def test_the_same_seed_makes_the_same_bytes_once(tmp_path: Path) -> None:
    made = make(tmp_path / "one")
    before = (made / "manifest.json").stat().st_mtime_ns
    assert make(tmp_path / "one") == made
    assert (made / "manifest.json").stat().st_mtime_ns == before
    assert make(tmp_path / "two").name == made.name
    manifest = json.loads((made / "manifest.json").read_text())
    assert (manifest["model"], manifest["codec"], manifest["trained_on"]) == ("tiny", "brief", "virtual patients only")
    assert {name: sha256(made / name) for name in manifest["files"]} == {
        name: entry["sha256"] for name, entry in manifest["files"].items()
    }
    assert made.name == f"tiny-{content(made)[:12]}"


def test_another_seed_makes_another(tmp_path: Path) -> None:
    assert make(tmp_path).name != make(tmp_path, "--seed", "1").name
