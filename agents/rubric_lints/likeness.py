"""Two criteria beside each other: the same said twice, or one that contradicts the other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import combinations

from agents.rubric_lints.problem import Problem
from agents.rubric_lints.wording import affirmed, is_negated
from agents.rubrics import Criterion

LIKE = 0.75
"""Share of the words of both that two criteria have in common before they count as the same."""
_EMPTY = frozenset(
    re.findall(
        r"\w+",
        "a an the of to for in on at by or and with that this is are be been was were it its as from any all about "
        "agent patient user response",
    )
)
_SHORTEST = 4
"""Content words that a criterion needs before standing whole in another makes it a repetition."""


def problems(criteria: Sequence[Criterion]) -> Iterator[Problem]:
    """Said of the later one of each pair."""
    words = {criterion.id: content(criterion.text) for criterion in criteria}
    negated = {criterion.id: is_negated(criterion.text) for criterion in criteria}
    for first, second in combinations(criteria, 2):
        share = likeness(words[first.id], words[second.id])
        if share >= LIKE:
            yield _pair(first, second, negated[first.id] == negated[second.id], share)


def _pair(first: Criterion, second: Criterion, alike: bool, share: float) -> Problem:
    same_sign = first.points * second.points >= 0
    if alike and same_sign:
        says = "says the same as" if share == 1 else "says nearly the same as"
        return Problem(second.id, "duplicate", f"{says} {first.id}: it counts twice")
    if alike:
        return Problem(second.id, "contradiction", f"has the opposite sign of {first.id}, which says the same", True)
    if same_sign and first.points > 0:
        return Problem(second.id, "unreachable", f"contradicts {first.id}: nobody can have the points of both", True)
    if same_sign:
        return Problem(second.id, "contradiction", f"contradicts {first.id}: one of both always costs points", True)
    return Problem(second.id, "mirror", f"is {first.id} turned round: the same act is counted twice")


def likeness(first: frozenset[str], second: frozenset[str]) -> float:
    """Shared content words over all content words, 0..1; LIKE where all of one stand in the other."""
    if not first or not second:
        return 0.0
    shared = first & second
    inside = len(shared) == min(len(first), len(second)) >= _SHORTEST
    return max(len(shared) / len(first | second), LIKE if inside else 0.0)


def content(text: str) -> frozenset[str]:
    """The stems of the words that carry meaning."""
    found = re.findall(r"[^\W_]+", affirmed(text).lower())
    return frozenset(_stem(word) for word in found if word not in _EMPTY)


def _stem(word: str) -> str:
    for ending in ("ations", "ation", "ments", "ment", "ings", "ing", "ies", "ied", "ed", "es", "s", "e", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word
