"""Slot S1: where training cases come from."""

from __future__ import annotations

from collections.abc import Iterator

from training.evaluation.cases import EvaluationCase, case_set
from training.methods.registry import register


@register("cases", "builtin")
def builtin(*, split: str = "train", limit: int | None = None, case_seed: int = 0) -> Iterator[EvaluationCase]:
    """Virtual patients of the train or validation split; ValueError for the splits that only evaluation may read."""
    if split not in ("train", "validation"):
        raise ValueError(f"training reads the splits train and validation, never {split}")
    yield from case_set(f"virtual:{split}", limit=limit, case_seed=case_seed)
