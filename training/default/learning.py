"""Stages that train: rows of the cold start, SFT on them, GRPO from it, and the calibration of its percentages."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from agents.codecs import by_name
from agents.knowledge.conditions import vocabulary
from agents.world.virtual import case_id
from clinic.local import shipped
from training.default import rows
from training.default.chain import ChainError, Work
from training.default.ground import Ground
from training.default.rows import Row
from training.methods import recipe as recipes

REINFORCED, OWN = 10_000_000, 20_000_000
"""First numbers of the training patients that reinforcement and calibration play: the cold start knows neither."""
COLD = "cold-start"
"""The one row that may be taken from what ships, as reinforcement goes on from it."""
EACH_SEED = 100_000
"""Numbers apart that two seeds begin."""


def draw(work: Work, *, ground: Ground) -> None:
    """The teacher's rows, as later stages read them; a file that broke off is continued by the teacher itself."""
    run = work.open({"recipe": dict(work.settings), "seeds": {"draw": work.seed}, "codec": ground.codec}, ())
    whole, growing = run.path / rows.NAME, run.path / rows.GROWING
    if not whole.is_file():
        told = {"count": work.settings["rows"], "seed": work.seed, "codec": ground.codec}
        told |= {"first": work.seed * EACH_SEED, "processes": threads()}
        options = [part for name, value in told.items() for part in (f"--{name}", str(value))]
        total = int(work.settings["rows"])
        work.runs.run("training.trainers.cold_start", str(growing), *options, folder=run.path, total=total)
        growing.rename(whole)
    run.finish(counts=_counts(list(rows.read(whole))), end="finished")


def imitate(work: Work, *, ground: Ground, most: int | None = None) -> None:
    """SFT on the teacher's rows, or on the first `most` of them."""
    (data,) = work.before.values()
    _sft(work, ground, list(rows.read(data / rows.NAME)), most=most)


def adopt(work: Work, *, ground: Ground, adapter: Path) -> None:
    """The shipped cold start in place of one of our own; ChainError where it is another row or was made otherwise."""
    told = shipped.shipped(adapter)
    if told is None or told["row"] != COLD:
        raise ChainError(f"What ships in {adapter} is no {COLD}, so nothing can go on from it as one.")
    if told["base"]["content"] != ground.described["content"]:
        raise ChainError(f"What ships in {adapter} was made with another base than this code has.")
    refuse_other_words(told, ground.codec, f"What ships in {adapter}")
    config = {"trainer": "adopted", "seeds": told["seeds"], "base": ground.described, "codec": ground.codec}
    run = work.open({**config, "recipe": dict(told["recipe"])}, ())
    shutil.copytree(adapter, run.path / "adapter", dirs_exist_ok=True, ignore=shutil.ignore_patterns("manifest.json"))
    whole = {"recipe": told["recipe"], "probe_base": told["probe_base"], "adopted": told["content"]}
    run.finish(counts={}, probe=told["probe"], end="finished", **whole)


def refuse_other_words(told: Mapping[str, Any], codec: str, what: str) -> None:
    """ChainError where a manifest names another prompt of this codec, or other knowledge, than this code has."""
    mine = {"prompt": by_name(codec).digest, "knowledge": vocabulary().version}
    if parted := [name for name in mine if told[name] != mine[name]]:
        raise ChainError(f"{what} was made with another {' and '.join(parted)} than this code has.")


def reinforce(work: Work, *, ground: Ground, recipe: str, start: str) -> None:
    """GRPO by a recipe from the adapter of an earlier stage."""
    first = REINFORCED + work.seed * EACH_SEED
    patients = int(work.settings["patients"])
    cases: Iterator[Row] = ({"case": case_id("train", first + n), "weight": 1.0} for n in range(patients))
    methods = recipes.load(recipe).as_dict()
    settings = {**work.settings["trainer"], "start": str(work.before[start] / "adapter")}
    _train(work, ground, "grpo", settings, cases, total=int(settings["steps"]), methods=methods)


def calibrate(work: Work, ground: Ground, *, chosen: Path) -> None:
    """SFT of the chosen adapter on its own consultations, with the oracle's percentages in place of its own."""
    found = list(rows.read(work.before["own-turns"] / rows.NAME))
    _sft(work, ground, found, start=chosen / "adapter")


def _sft(
    work: Work, ground: Ground, everything: list[Row], *, most: int | None = None, start: Path | None = None
) -> None:
    train = [row for row in everything if row["split"] == "train"][:most]
    held = [row for row in everything if row["split"] == "validation"][: int(work.settings["validation"])]
    if not train:
        raise ChainError(f"{work.stage.name} has no rows to learn from.")
    steps = math.ceil(len(train) * float(work.settings["epochs"]) / int(work.settings["trainer"]["batch"]))
    settings = {**work.settings["trainer"], "steps": steps, "start": str(start) if start else None}
    _train(work, ground, "sft", settings, [*train, *held], total=steps)


def _train(
    work: Work,
    ground: Ground,
    trainer: str,
    settings: Mapping[str, Any],
    found: Iterable[Row],
    *,
    total: int,
    **more: Any,
) -> None:
    """A trainer on a run folder, from its newest STABLE checkpoint where it has one."""
    config = {
        "trainer": trainer,
        "seeds": {"order": work.seed, "model": work.seed, "rollout": work.seed},
        "recipe": {**settings, "base": str(ground.base)},
        "base": ground.described,
        "codec": ground.codec,
        **more,
    }
    run = work.open(config, found)
    work.reconfigure(run, threads=threads(), **(ground.serving() if trainer == "grpo" else {}))
    resume = bool(run.stable())
    if not resume:
        (run.path / "metrics.jsonl").unlink(missing_ok=True)  # steps before the first checkpoint are lost
    arguments = (str(run.path), *(["--resume"] if resume else []))
    work.runs.run(f"training.trainers.{trainer}", *arguments, folder=run.path, total=total)


def threads() -> int:
    """OMP_NUM_THREADS, else every core: no part of what is made."""
    return int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)


def _counts(found: list[Row]) -> dict[str, int]:
    return {split: sum(row["split"] == split for row in found) for split in ("train", "validation")}
