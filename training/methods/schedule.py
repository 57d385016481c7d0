"""Slot S10: what changes with the step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from training.methods.registry import register


@register("schedule", "constant")
def constant(step: int, history: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Nothing changes."""
    return {}
