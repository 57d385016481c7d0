"""Rows of a snapshot as token ids: what was told before, what the assistant said, and which tokens carry loss."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from datasets import Dataset

from training.rundir import RunDir, RunFolderError
from training.trainers.dialogue import BadDialogue, encode

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """`prompt` (P,) and `answer` (T,) ids; `kept` (T,) 1 where the assistant speaks, its end-of-turn tokens too."""

    prompt: list[int]
    answer: list[int]
    kept: list[int]


@dataclass(frozen=True, slots=True)
class Examples:
    """What a run learns from: drawn training examples, validation examples, and how many rows were left out."""

    train: Dataset
    validation: Dataset | None
    counts: dict[str, int]


def said(tokenizer: Any, prompt: list[dict[str, str]], answer: list[dict[str, str]], limit: int) -> Said:
    """One continuation of a prompt, to its last learned token; BadDialogue where it is too long or says nothing."""
    found = encode(tokenizer, [*prompt, *answer], learn_from=len(prompt))
    kept = found.kept.nonzero()[0]
    if not len(kept):
        raise BadDialogue("The assistant says nothing in it.")
    first, end = int(kept[0]), int(kept[-1]) + 1
    if end > limit:
        raise BadDialogue(f"It has {end} tokens, and the limit is {limit}.")
    return Said(found.ids[:first].tolist(), found.ids[first:end].tolist(), found.kept[first:end].astype(int).tolist())


def read(run: RunDir, make: Callable[[Row], Row], *, count: int, seed: int) -> Examples:
    """Examples of both splits; `count` of training, drawn by the rows' weights. Raises RunFolderError where none is.

    `make` writes one example or raises BadDialogue, which leaves the row out and is counted.
    """
    found: dict[str, list[tuple[Row, float]]] = {"train": [], "validation": []}
    dropped = 0
    for row in run.rows():
        try:
            found[row.get("split") or "train"].append((make(row), float(row.get("weight", 1.0))))
        except BadDialogue as problem:
            dropped += 1
            run.log(f"a row was left out: {problem}")
    if not found["train"]:
        raise RunFolderError(f"data.jsonl has nothing to train on ({dropped} rows were left out).")
    held = [example for example, _ in found["validation"]]
    counts = {"train": len(found["train"]), "validation": len(held), "dropped": dropped}
    return Examples(
        Dataset.from_list(drawn(found["train"], count, seed)), Dataset.from_list(held) if held else None, counts
    )


def drawn(rows: Sequence[tuple[Row, float]], count: int, seed: int) -> list[Row]:
    """`count` examples in an order of the seed, each as often as its weight says, give or take one.

    So an annotator's capped weight acts alike in every trainer, also in those whose loss knows no weights.
    """
    rng = random.Random(seed)
    order = rng.sample(list(rows), len(rows))
    step = sum(weight for _, weight in order) / count
    mark = rng.random() * step
    chosen: list[Row] = []
    reached = 0.0
    for example, weight in order:
        reached += weight
        while mark < reached and len(chosen) < count:
            chosen.append(example)
            mark += step
    chosen += [order[-1][0]] * (count - len(chosen))  # rounding can leave the last mark beyond the end
    rng.shuffle(chosen)
    return chosen
