"""The ablation table, computed anew from the cases that were played: every number with its n, its seeds, its interval.

Numbers are means over cases; of several seeds each case counts with its mean over seeds, and intervals (95 %) are over
cases. Accuracy over the oracle's is a ratio on the same cases. Defer quality is the share of deferred consultations in
which the greedy oracle too was wrong or less than half sure: 1 is a deferral that nobody could have saved.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.matching.exams import harmonic
from agents.types import End
from training.default import folders, rows, stages
from training.default.chain import ChainError
from training.evaluation import calibration
from training.evaluation.end_to_end import CaseResult, f1_of_means
from training.evaluation.statistics import REPEATS, bootstrap_ci, ratio_ci, share_ci
from training.rundir import write_json

Array = NDArray[np.float64]
NAMES = {
    "base": "base, structured output",
    "full-sft": "full SFT",
    "cold-start-brief": "cold start, nothing looked up",
    "cold-start": "cold start",
    "rl-diagnosis": "+ RL, diagnosis reward",
    "rl-both": "+ RL, both rewards",
    "rl-information": "+ RL, information and cost",
    "rl-random": "+ RL, random reward (control)",
    "calibrated": "+ calibration",
}
ORACLE = "greedy oracle"
"""The physical limit, on the same cases within the same limits; no row of ours."""
MEASURES = (
    "turns", "precision", "recall", "f1_mean_per_case", "f1_of_means", "accuracy", "accuracy_over_oracle", "cost",
    "ece", "deferred", "defer_quality", "malformed",
)  # fmt: skip
AMOUNTS = ("turns", "cost")
SHARES = ("accuracy", "deferred", "malformed")
"""Of 0/1 outcomes."""
UNSURE = 0.5
ECE_REPEATS = 300


@dataclass(frozen=True)
class Played:
    """One row in one seed: its results and the oracle's on the same cases, by case."""

    results: dict[str, CaseResult]
    oracle: dict[str, CaseResult]


def write(root: Path) -> dict[str, Any]:
    """table.json, table.md and table.txt below `root`, from all seeds there; ChainError where nothing was played."""
    made = made_of(root)
    if not made["rows"]:
        raise ChainError(f"No row has been evaluated in {root}; manage train_default makes them.")
    write_json(root / "table.json", made)
    (root / "table.md").write_text(markdown(made))
    (root / "table.txt").write_text(text(made) + "\n")
    return made


def made_of(root: Path) -> dict[str, Any]:
    """{"rows": [{"row", "n", "seeds", "numbers": {measure: {"value", "low", "high"}}}], "oracle", "pass_at_k"}"""
    played = {name: seeds for name in stages.ROWS if (seeds := _seeds(root, name))}
    found = [_row(name, seeds) for name, seeds in played.items()]
    limit = _row(ORACLE, {"0": _limit(next(iter(played.values())))}) if played else None
    return {"rows": found, "oracle": limit, "pass_at_k": _pass_at_k(root)}


def _limit(seeds: dict[str, Played]) -> Played:
    """The oracle against itself: it knows no seed."""
    first = next(iter(seeds.values()))
    return Played(first.oracle, first.oracle)


def _seeds(root: Path, name: str) -> dict[str, Played]:
    places = {path.name: path / stages.evaluation_of(name) for path in sorted(root.iterdir()) if path.name.isdigit()}
    return {
        seed: Played(results(folder / "sample-0" / "episodes.jsonl"), results(folder / "sample-0" / "oracle.jsonl"))
        for seed, folder in places.items()
        if folders.is_whole(folder)
    }


def results(path: Path) -> dict[str, CaseResult]:
    """The newest result of each case in a file of consultations."""
    return {line["case"]: CaseResult(**line["result"]) for line in rows.read(path) if "result" in line}


def _row(name: str, seeds: dict[str, Played]) -> dict[str, Any]:
    cases = sorted(set.intersection(*(set(played.results) for played in seeds.values())))
    per_seed = [[played.results[case] for case in cases] for played in seeds.values()]
    oracle = [next(iter(seeds.values())).oracle[case] for case in cases]
    numbers = {**_means(per_seed), **_relative(per_seed, oracle), **_stated(per_seed), **_deferrals(per_seed, oracle)}
    told = {measure: numbers[measure] for measure in MEASURES}
    return {"row": name, "n": len(cases), "seeds": [int(seed) for seed in seeds], "numbers": told}


def _number(value: float | None, interval: tuple[float, float] | None = None) -> dict[str, float | None]:
    low, high = interval or (None, None)
    return {"value": value, "low": low, "high": high}


def _matrix(per_seed: Sequence[Sequence[CaseResult]], measure: Callable[[CaseResult], float]) -> Array:
    """(cases,): the mean over seeds."""
    return np.array([[measure(result) for result in results] for results in per_seed]).mean(axis=0)


def _means(per_seed: Sequence[Sequence[CaseResult]]) -> dict[str, Any]:
    measured: dict[str, Callable[[CaseResult], float]] = {
        "turns": lambda r: r.turns,
        "precision": lambda r: r.precision,
        "recall": lambda r: r.recall,
        "f1_mean_per_case": lambda r: r.f1,
        "accuracy": lambda r: r.correct,
        "cost": lambda r: r.cost,
        "deferred": lambda r: r.end == str(End.DEFER),
        "malformed": lambda r: r.end == str(End.MALFORMED),
    }
    columns = {name: _matrix(per_seed, measure) for name, measure in measured.items()}
    found = {name: _number(float(column.mean()), _interval(name, column)) for name, column in columns.items()}
    both = np.column_stack([columns["precision"], columns["recall"]])
    together = harmonic(float(both[:, 0].mean()), float(both[:, 1].mean()))
    return {**found, "f1_of_means": _number(together, bootstrap_ci(both, statistic=f1_of_means))}


def _interval(name: str, column: Array) -> tuple[float, float] | None:
    """Of a share that is 0 or 1 on every case the exact one: 0 of 40 does not prove 0."""
    alike = set(column) in ({0.0}, {1.0})
    return share_ci(column) if alike and name in SHARES else bootstrap_ci(column)


def _relative(per_seed: Sequence[Sequence[CaseResult]], oracle: Sequence[CaseResult]) -> dict[str, Any]:
    mine, his = _matrix(per_seed, lambda r: r.correct), np.array([float(r.correct) for r in oracle])
    value = float(mine.sum() / his.sum()) if his.any() else None
    return {"accuracy_over_oracle": _number(value, ratio_ci(mine, his))}


def _stated(per_seed: Sequence[Sequence[CaseResult]]) -> dict[str, Any]:
    """Calibration error of diagnoses that were named with a probability; whole cases are resampled."""
    by_case = [
        [(r.confidence, r.correct) for r in runs if r.confidence is not None and r.end == str(End.FINISH)]
        for runs in zip(*per_seed, strict=True)
    ]
    told = [pair for pairs in by_case for pair in pairs]
    if not told:
        return {"ece": _number(None)}
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(min(REPEATS, ECE_REPEATS)):
        chosen = [pair for n in rng.integers(0, len(by_case), len(by_case)) for pair in by_case[n]]
        if chosen:
            drawn.append(calibration.ece([p for p, _ in chosen], [y for _, y in chosen]) or 0.0)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {"ece": _number(calibration.ece([p for p, _ in told], [y for _, y in told]), (float(low), float(high)))}


def _deferrals(per_seed: Sequence[Sequence[CaseResult]], oracle: Sequence[CaseResult]) -> dict[str, Any]:
    hard = [not r.correct or (r.confidence or 0.0) < UNSURE for r in oracle]
    found = [float(hard[n]) for results in per_seed for n, r in enumerate(results) if r.end == str(End.DEFER)]
    return {"defer_quality": _number(float(np.mean(found)) if found else None, bootstrap_ci(found))}


def _pass_at_k(root: Path) -> list[dict[str, Any]]:
    """For each row and k: the chance that one of k hot samples is right, unbiased (Chen et al. 2021, 2107.03374)."""
    found = []
    for folder in sorted(root.glob("*/pass-at-k")):
        if not folders.is_whole(folder):
            continue
        for row in [name for name in stages.ROWS if (folder / name).is_dir()]:
            samples = [results(path) for path in sorted((folder / row).glob("sample-*/episodes.jsonl"))]
            right = [sum(sample[case].correct for sample in samples) for case in samples[0]]
            n = len(samples)
            told = {str(k): float(np.mean([at_least_one(n, c, k) for c in right])) for k in _powers(n)}
            found.append({"seed": int(folder.parent.name), "row": row, "n": len(right), "samples": n, "pass": told})
    return found


def at_least_one(n: int, c: int, k: int) -> float:
    """The chance that k of n samples, of which c are right, hold a right one."""
    return 1.0 - comb(n - c, k) / comb(n, k)


def _powers(n: int) -> list[int]:
    return [k for k in (1, 2, 4, 8, 16, 32) if k <= n]


def cells(made: dict[str, Any]) -> list[list[str]]:
    """The table's lines, the heading first."""
    lines = [["row", "n", "seeds", *(name.replace("_", " ") for name in MEASURES)]]
    for row in [*made["rows"], *([made["oracle"]] if made["oracle"] else [])]:
        seeds = "-" if row["row"] == ORACLE else ",".join(map(str, row["seeds"]))
        numbers = [_cell(row["numbers"][name], 1 if name in AMOUNTS else 3) for name in MEASURES]
        lines.append([NAMES.get(row["row"], row["row"]), str(row["n"]), seeds, *numbers])
    return lines


def _cell(number: dict[str, float | None], digits: int) -> str:
    if number["value"] is None:
        return "-"
    interval = "" if number["low"] is None else f" [{number['low']:.{digits}f}, {number['high']:.{digits}f}]"
    return f"{number['value']:.{digits}f}{interval}"


def text(made: dict[str, Any]) -> str:
    lines = cells(made)
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    told = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([*told, *_passes(made)])


def markdown(made: dict[str, Any]) -> str:
    heading, *lines = cells(made)
    rule = ["---"] * len(heading)
    table = "\n".join("| " + " | ".join(line) + " |" for line in (heading, rule, *lines))
    return "\n".join([table, "", *(f"- {line}" for line in _passes(made))]) + "\n"


def _passes(made: dict[str, Any]) -> list[str]:
    return [
        f"pass@k of {NAMES[one['row']]} (n {one['n']}, seed {one['seed']}, {one['samples']} samples): "
        + ", ".join(f"{k}: {value:.3f}" for k, value in one["pass"].items())
        for one in made["pass_at_k"]
    ]
