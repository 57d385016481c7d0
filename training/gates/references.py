"""The oracle's orders for every case, planned before anybody plays: a second each would hold up all players."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from agents.world.play import reference_examinations
from training.evaluation.cases import EvaluationCase, keep_references, unplanned

FEW = 24
"""Up to so many are planned here: another process takes seconds to begin."""
MOST_PROCESSES = 8


def plan(cases: Sequence[EvaluationCase], tell: Callable[[str], None]) -> None:
    """Afterwards every case knows its references; those that were kept before are not planned again."""
    missing = unplanned(cases)
    if len(missing) <= FEW:
        for case in cases:
            case.references()
        return
    workers = min(os.cpu_count() or 1, MOST_PROCESSES)
    # Spawned: a fork of a worker would carry its connections along.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for number, found in enumerate(pool.map(reference_examinations, missing, chunksize=4)):
            keep_references(missing[number], found)
            if number % 4 == 0:
                tell(f"Reference examinations of case {number + 1} of {len(missing)}")
