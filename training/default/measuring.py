"""Stages that play: a row of the ablation on test patients, which adapter to go on from, pass@k."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.world.virtual import case_id
from training.default import folders, rows
from training.default.chain import Work
from training.default.ground import Ground
from training.default.learning import EACH_SEED, OWN
from training.rundir import RunDir, write_json

SUMMARY, SELECTED = "summary.json", "selected.json"
ORACLE = "oracle"
"""Beside the stages: what the greedy oracle did with the patients of a split."""


@dataclass(frozen=True)
class Playing:
    """One row to play: `adapter` None is the bare base."""

    row: str
    adapter: Path | None
    codec: str


def play(work: Work, ground: Ground, row: Playing, folder: Path, cases: Sequence[str], **recipe: Any) -> RunDir:
    """One row's run folder, whole."""
    settings = {"oracle": "", **work.settings["play"], **recipe, "base": str(ground.base)}
    config = {
        "trainer": "play",
        "row": row.row,
        "codec": row.codec,
        "base": ground.described,
        "seeds": {"rollout": work.seed},
        "recipe": {**settings, "start": str(row.adapter) if row.adapter else None},
    }
    run = work.open_at(folder, config, ({"case": case} for case in cases))
    if not folders.is_whole(folder):
        work.reconfigure(run, **ground.serving())
        total = len(cases) * int(settings.get("samples", 1))
        work.runs.run("training.default.play", str(run.path), folder=run.path, total=total)
    return run


def patients(split: str, count: int, *, first: int = 0) -> list[str]:
    return [case_id(split, first + n) for n in range(count)]


def evaluate(work: Work, ground: Ground, row: Playing) -> None:
    """A row on the test split; the table is made of these."""
    cases = patients("test", int(work.settings["cases"]))
    play(work, ground, row, work.folder, cases, oracle=str(work.folder.parent / f"{ORACLE}-test"))


def select(work: Work, ground: Ground, candidates: Sequence[Playing]) -> None:
    """The row that is right most often on validation patients: the test split chooses nothing. One alone is chosen."""
    run = _open(work, ground)
    if len(candidates) == 1:
        write_json(run.path / SELECTED, {"row": candidates[0].row, "n": 0, "rows": {}})
        run.finish(counts={"rows": 1, "cases": 0}, end="finished")
        return
    cases = patients("validation", int(work.settings["cases"]))
    found = {}
    for row in candidates:
        play(work, ground, row, run.path / row.row, cases, oracle=str(run.path / ORACLE))
        told = json.loads((run.path / row.row / SUMMARY).read_text())
        found[row.row] = {name: told[name] for name in ("accuracy", "f1_mean_per_case", "cost", "turns")}
    best = max(found, key=lambda name: (found[name]["accuracy"], -found[name]["cost"]))
    write_json(run.path / SELECTED, {"row": best, "n": len(cases), "rows": found})
    run.finish(counts={"rows": len(found), "cases": len(cases)}, end="finished")


def selected(folder: Path) -> str:
    """The name of the chosen stage."""
    return str(json.loads((folder / SELECTED).read_text())["row"])


def own_turns(work: Work, *, ground: Ground) -> None:
    """The chosen adapter's consultations with training patients, and rows with the oracle's percentages in them."""
    run = _open(work, ground)
    name = selected(work.before["select"])
    cases = patients("train", int(work.settings["cases"]), first=OWN + work.seed * EACH_SEED)
    row = Playing(name, work.folder.parent / name / "adapter", ground.codec)
    played = play(work, ground, row, run.path / "played", cases, temperature=1.0)
    if not (run.path / rows.NAME).is_file():
        work.runs.run("training.default.calibration", str(played.path), str(run.path / rows.NAME), folder=run.path)
    run.finish(counts={"cases": len(cases)}, end="finished", row=name)


def pass_at_k(work: Work, ground: Ground, candidates: Sequence[Playing]) -> None:
    """Several hot samples of each row on the first test patients."""
    run = _open(work, ground)
    cases = patients("test", int(work.settings["cases"]))
    for row in candidates:
        play(work, ground, row, run.path / row.row, cases, temperature=1.0, samples=int(work.settings["samples"]))
    run.finish(counts={"rows": len(candidates), "cases": len(cases)}, end="finished")


def _open(work: Work, ground: Ground) -> RunDir:
    return work.open({"recipe": dict(work.settings), "seeds": {"rollout": work.seed}, "base": ground.described}, ())
