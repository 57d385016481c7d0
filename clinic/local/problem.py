"""The one error of the local stack: something a person must see as one sentence."""

from __future__ import annotations

import sys


class LocalProblem(Exception):
    """What is wrong and what to do about it."""


def say(text: str) -> None:
    """Progress, always to stderr: stdout belongs to the command that was asked for."""
    print(f"rounds: {text}", file=sys.stderr, flush=True)
