"""What one consultation to learn from consists of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Workup:
    """Messages of a whole consultation; the assistant's before number `learn_from` are only context.

    `register` is how the presentation was said, `end` the kind of the last action.
    """

    messages: list[dict[str, str]]
    learn_from: int
    register: str = "plain"
    end: str = "diagnose"
