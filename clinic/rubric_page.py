"""What the page of a version shows: each criterion with what may be done to it, and a panel's people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agents.rubric_lints import Problem
from clinic.models import RubricCriterion, RubricPart, RubricRole, RubricStatus
from clinic.rubric_access import STEPS, Access


@dataclass(frozen=True, slots=True)
class Line:
    """One criterion on the page; `number` counts the kept ones, `fields` fill its form."""

    key: str
    fields: dict[str, Any]
    row: RubricCriterion | None = None
    number: int | None = None
    problems: tuple[Problem, ...] = ()
    editable: bool = False
    is_open: bool = False

    @property
    def examples(self) -> list[dict[str, str]]:
        """Those there are and one empty place."""
        return [*self.fields.get("examples", ()), {"text": "", "verdict": "met"}]


FIELDS = ("text", "points", "axis", "evidence_required", "never", "per_turn", "guideline", "examples")


def lines_of(
    access: Access, criteria: Sequence[RubricCriterion], found: Sequence[Problem], typed: Line | None
) -> list[Line]:
    """In order; the form with what could not be saved stays open."""
    lines, number = [], 0
    for row in criteria:
        number += row.kept
        mine = access.may_edit and (not access.writes_alone or row.by_id == access.user.pk)
        refused = typed if typed and typed.key == row.key else None
        lines.append(
            Line(
                row.key,
                refused.fields if refused else {name: getattr(row, name) for name in FIELDS},
                row,
                number if row.kept else None,
                tuple(problem for problem in found if problem.criterion == row.key),
                mine,
                bool(refused),
            )
        )
    return lines


@dataclass(frozen=True, slots=True)
class Place:
    """One part of a panel on the page."""

    role: str
    name: str
    part: RubricPart | None
    now: bool

    @property
    def fixed(self) -> bool:
        return bool(self.part and self.part.done_at)


def panel_of(access: Access) -> list[Place]:
    """The four parts in order; none where one person writes."""
    if not access.is_panel:
        return []
    by_role = {part.role: part for part in access.parts}
    here = STEPS.get(RubricStatus(access.version.status), ())
    return [Place(role, str(name), by_role.get(role), role in here) for role, name in RubricRole.choices]
