"""Writes what a policy begins to learn from: the oracle's work-ups of virtual training patients, and deferrals.

python -m training.trainers.cold_start OUT.jsonl --count N [--seed 0] [--processes 2] [--codec cards] [--first 0]

Rows are those that training/trainers/sft.py reads: {"id", "split", "prompt", "completion", "weight"}. Row n depends on
n, the seed, the codec and the knowledge alone: a file that broke off is continued, and the same call makes the same
bytes. OUT.manifest.json says what it was made with; a file made otherwise is refused.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from agents.codecs import by_name
from agents.knowledge.conditions import vocabulary
from agents.world.virtual import case_id
from training.trainers.outside import deferral
from training.trainers.workup import Workup
from training.trainers.workups import SURE, UNSURE, written

RECIPE = 2
"""Raise it when rows change, so that an older file is not continued."""
OUTSIDE_EVERY = 12
"""Every so many rows are about a complaint from outside the knowledge."""
VALIDATION_EVERY = 50
VALIDATION_FROM = 1000
"""Numbers of validation patients begin here: the bank's own are kept for measuring."""


class OtherFile(Exception):
    """The file was made with something else; `str()` says with what."""


def row(n: int, *, seed: int, codec: str, first: int = 0) -> dict[str, Any]:
    """Row number n."""
    said = by_name(codec)
    held = n % VALIDATION_EVERY == VALIDATION_EVERY - 1
    split = "validation" if held else "train"
    if n % OUTSIDE_EVERY == OUTSIDE_EVERY - 1:
        return _row(f"outside:{n}:{seed}", split, deferral(n, seed=seed, codec=said))
    number = VALIDATION_FROM + n // VALIDATION_EVERY if held else first + n
    return _row(f"{case_id(split, number)}:{seed}", split, written(number, split=split, seed=seed, codec=said))


def _row(name: str, split: str, found: Workup) -> dict[str, Any]:
    prompt, completion = found.messages[: found.learn_from], found.messages[found.learn_from :]
    return {"id": name, "split": split, "prompt": prompt, "completion": completion, "weight": 1.0}


def manifest(*, count: int, seed: int, codec: str, first: int) -> dict[str, Any]:
    """What a file is made with."""
    return {
        "recipe": RECIPE, "knowledge": vocabulary().version, "codec": codec, "prompt": by_name(codec).digest,
        "seed": seed, "first": first, "sure": SURE, "unsure": UNSURE, "count": count,
    }  # fmt: skip


def write(out: Path, *, count: int, seed: int = 0, codec: str = "cards", first: int = 0, processes: int = 1) -> int:
    """Make or continue the file to `count` rows; how many were written now. Raises OtherFile."""
    made = manifest(count=count, seed=seed, codec=codec, first=first)
    from tqdm import tqdm  # the web's environment has rows to test, but no progress bars

    done = _whole_rows(out, made)
    out.parent.mkdir(parents=True, exist_ok=True)
    _manifest_of(out).write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    with out.open("a", encoding="utf-8") as file:
        rows = _rows(range(done, count), partial(row, seed=seed, codec=codec, first=first), processes)
        for found in tqdm(rows, total=count, initial=done, unit="row", desc="work-ups", file=sys.stderr):
            file.write(json.dumps(found, ensure_ascii=False) + "\n")
            file.flush()
    return max(count - done, 0)


def _rows(numbers: range, make: Any, processes: int) -> Iterator[dict[str, Any]]:
    if processes < 2:
        yield from map(make, numbers)
        return
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(make, numbers, chunksize=8)


def _manifest_of(out: Path) -> Path:
    return out.with_suffix(".manifest.json")


def _whole_rows(out: Path, made: dict[str, Any]) -> int:
    """How many rows are there; a line that broke off is taken away first."""
    if not out.exists():
        return 0
    if not _manifest_of(out).exists():
        raise OtherFile(f"{out} has no manifest: it is not known what it was made with")
    before = json.loads(_manifest_of(out).read_text(encoding="utf-8"))
    other = [name for name, value in made.items() if name != "count" and before.get(name) != value]
    if other:
        raise OtherFile(f"{out} was made with another {', '.join(other)}")
    data = out.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        out.write_bytes(whole)
    return whole.count(b"\n")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.trainers.cold_start", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("out", type=Path, help="a .jsonl file, continued where it broke off")
    parser.add_argument("--count", type=int, required=True, help="rows in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--codec", default="cards", help="brief, cards or structured")
    parser.add_argument("--first", type=int, default=0, help="number of the first training patient")
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args()
    try:
        wrote = write(
            given.out, count=given.count, seed=given.seed, codec=given.codec, first=given.first,
            processes=given.processes,
        )  # fmt: skip
    except OtherFile as problem:
        print(f"cold_start: {problem}", file=sys.stderr)  # noqa: T201
        return 1
    print(f"{wrote} rows written to {given.out}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
