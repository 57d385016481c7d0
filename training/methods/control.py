"""Slot S3: a reward that means nothing. What learns from it has learned nothing, and must fail every gate."""

from __future__ import annotations

import numpy as np

from agents import episodes
from agents.types import Episode
from training.methods.registry import register
from training.methods.rewards import Array, Context

EXTRA = "draw"


@register("reward", "random")
def random(episode: Episode, context: Context) -> Array:
    """The number drawn for this episode, 0..1, whatever it says; KeyError where none was drawn. (T,)

    Drawn by the trainer and not from the episode's words: a fixed function of the words could be learned.
    """
    row = np.zeros(episodes.utterances(episode))
    if len(row):
        row[-1] = float(context.extra[EXTRA])
    return row
