"""The patients of a fidelity run: held-out ones to be judged on, and training ones for the empirical sampler."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from agents.world.virtual import case_id, open_case
from training.worlds import rows as files
from training.worlds import virtual
from training.worlds.rows import Row, Split


@dataclass(frozen=True)
class Patients:
    """`held_out` were never trained on; `training` is what the empirical sampler draws from."""

    held_out: tuple[Row, ...]
    training: tuple[Row, ...]


def of_clinic(count: int, training: int, *, seed: int = 0) -> Patients:
    """`count` patients of the virtual clinic's test split and `training` of its train split, of a case seed."""
    return Patients(tuple(islice(_virtual("test", seed), count)), tuple(islice(_virtual("train", seed), training)))


def of_file(path: Path, count: int | None = None) -> Patients:
    """The test rows (the first `count`) and train rows of a cohort file; raises UnreadableCohort, OSError."""
    read = list(files.read(path))
    held_out: Iterable[Row] = (row for row in read if row.split == "test")
    return Patients(tuple(islice(held_out, count)), tuple(row for row in read if row.split == "train"))


def _virtual(split: Split, seed: int) -> Iterator[Row]:
    """Patients in the order of their numbers; those whose words give the diagnosis away are left out."""
    number = seed * virtual.PER_SEED
    while True:
        found = virtual.row(open_case(case_id(split, number)), split)
        if isinstance(found, Row):
            yield found
        number += 1
