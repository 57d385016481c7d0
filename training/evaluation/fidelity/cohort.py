"""The patients of a fidelity run: held-out ones to be judged on, and training ones for the empirical sampler."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

from agents.knowledge.conditions import knowledge
from agents.world.virtual import case_id, open_case
from training.worlds import rows as files
from training.worlds import virtual
from training.worlds.rows import Row, Split


@dataclass(frozen=True)
class Patients:
    """`held_out` were never trained on; `training` is what the empirical sampler draws from."""

    held_out: tuple[Row, ...]
    training: tuple[Row, ...]


def of_clinic(held_out: int, training: int, *, seed: int = 0, conditions: Collection[str] = ()) -> Patients:
    """`held_out` patients of the virtual clinic's test split and `training` of its train split, of a case seed.

    With `conditions` (ids) the held-out patients have one of them: few conditions in many patients are what measures
    of distributions need. Raises KeyError for an unknown one.
    """
    wanted = frozenset(knowledge().conditions[name].id for name in conditions)
    chosen = islice(_virtual("test", seed, wanted), held_out)
    return Patients(tuple(chosen), tuple(islice(_virtual("train", seed), training)))


def of_file(path: Path, most: int | None = None) -> Patients:
    """The test rows (the first `most`) and train rows of a cohort file; raises UnreadableCohort, OSError."""
    read = list(files.read(path))
    held_out: Iterable[Row] = (row for row in read if row.split == "test")
    return Patients(tuple(islice(held_out, most)), tuple(row for row in read if row.split == "train"))


def _virtual(split: Split, seed: int, conditions: frozenset[str] = frozenset()) -> Iterator[Row]:
    """Patients in the order of their numbers; those whose words give the diagnosis away are left out."""
    for number in count(seed * virtual.PER_SEED):
        case = open_case(case_id(split, number))
        if conditions and case.patient.condition.id not in conditions:
            continue
        found = virtual.row(case, split)
        if isinstance(found, Row):
            yield found
