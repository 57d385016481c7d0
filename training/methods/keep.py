"""Slot S8: which episodes stay in the update; the same mask must zero the loss mask, or the step shrinks silently."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agents.types import End, Episode
from training.methods.registry import register

Mask = NDArray[np.bool_]


@register("keep", "all")
def everything(episodes: Sequence[Episode], advantages: NDArray[np.float64]) -> Mask:
    """Every episode that has an outcome, malformed ones too: they are the policy's own fault. (E,)"""
    return np.array([episode.end is not End.ENV_ERROR and episode.error is None for episode in episodes], dtype=bool)
