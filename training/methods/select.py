"""Slot S12: which of several candidates is used at serving time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from training.methods.registry import register

Candidate = TypeVar("Candidate")


@register("select", "greedy")
def greedy(candidates: Sequence[Candidate], judge: object = None) -> Candidate:
    """The first: what greedy decoding gives. ValueError without candidates."""
    if not candidates:
        raise ValueError("there is nothing to choose from")
    return candidates[0]
