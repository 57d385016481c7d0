"""Lints of rubrics: likely mistakes of an author, said while they type. A lint advises; it never changes a rubric.

The mistakes are those found in published rubrics (engineering.md, "Rubrics and judges"): a wrong sign, several things
in one criterion, the same twice, penalties only, points that cannot be reached, a total that is 0 or far too large.
"""

from __future__ import annotations

from collections.abc import Sequence

from agents.rubric_lints import likeness, reach, wording
from agents.rubric_lints.problem import Problem
from agents.rubric_lints.reach import Setting
from agents.rubrics import Criterion

__all__ = ["Problem", "Setting", "lint"]


def lint(criteria: Sequence[Criterion], *, setting: Setting | None = None, weighed: bool = True) -> list[Problem]:
    """Each likely mistake, those of single criteria first; without `weighed` nothing is said about points."""
    found = [problem for criterion in criteria for problem in wording.problems(criterion)]
    if weighed:
        found += [
            Problem(c.id, "no_points", "has no points: it cannot change a score") for c in criteria if not c.points
        ]
        found += reach.problems(criteria, setting)
    found += likeness.problems(criteria)
    return found
