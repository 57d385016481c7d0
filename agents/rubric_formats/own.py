"""Our own rubric files: JSON Lines, one rubric a line, nothing lost on the way out and in again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from agents.judge import RuleJudge
from agents.records import Rejection
from agents.records.base import json_objects, list_of, text_of
from agents.rubric_formats.base import AXES, CriterionRow, RubricRow, Unusable, whole_points

FORMAT = "rounds-rubric/1"
_FLAGS = ("evidence_required", "never", "per_turn")


def read_own(path: Path) -> Iterator[RubricRow | Rejection]:
    with path.open("rb") as lines:
        for name, row in json_objects(lines):
            if isinstance(row, Rejection):
                yield row
                continue
            try:
                yield _rubric(name, row)
            except Unusable as problem:
                yield Rejection(text_of(row.get("record")) or name, str(problem))


def write_own(rubric: RubricRow) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "record": rubric.record,
        "title": rubric.title,
        "case": rubric.case,
        "complaint_group": rubric.complaint_group,
        "version": rubric.version,
        "guideline": rubric.guideline,
        "notes": dict(rubric.notes),
        "criteria": [row.as_dict() for row in rubric.criteria],
    }


def _rubric(name: str, row: Mapping[str, Any]) -> RubricRow:
    if row.get("format") != FORMAT:
        raise Unusable(f"its format is not {FORMAT}")
    criteria = tuple(criterion(item, n) for n, item in enumerate(list_of(row.get("criteria")), 1))
    if not criteria or not text_of(row.get("title")):
        raise Unusable("no title or no criteria")
    version = row.get("version")
    return RubricRow(
        record=text_of(row.get("record")) or name,
        title=text_of(row.get("title")),
        criteria=criteria,
        case=text_of(row.get("case")),
        complaint_group=text_of(row.get("complaint_group")),
        guideline=text_of(row.get("guideline")),
        version=version if type(version) is int else 1,
        notes=notes if isinstance(notes := row.get("notes"), dict) else {},
    )


def criterion(item: Any, number: int) -> CriterionRow:
    """One criterion object; raises Unusable."""
    text = text_of(item.get("text")) if isinstance(item, dict) else ""
    if not text:
        raise Unusable(f"criterion {number} has no text")
    axis = item.get("axis", "accuracy")
    if axis not in AXES:
        raise Unusable(f"criterion {number}: the axis is one of {', '.join(AXES)}")
    flags = {name: item.get(name, False) for name in _FLAGS}
    if not all(isinstance(flag, bool) for flag in flags.values()):
        raise Unusable(f"criterion {number}: {', '.join(_FLAGS)} are true or false")
    points = whole_points(item.get("points"), number)
    if flags["never"] and points >= 0:
        raise Unusable(f"criterion {number}: a never-item has points below 0")
    return CriterionRow(
        text, points, text_of(item.get("key"))[:40], axis, **flags,
        guideline=text_of(item.get("guideline")), examples=tuple(_examples(item.get("examples"), number)),
        rule=_rule(item.get("rule"), number),
    )  # fmt: skip


def _examples(given: Any, number: int) -> Iterator[Mapping[str, str]]:
    for one in list_of(given):
        text = text_of(one.get("text")) if isinstance(one, dict) else ""
        if not text or one.get("verdict") not in ("met", "not_met"):
            raise Unusable(f"criterion {number}: an example has text, and is met or not_met")
        yield {"text": text, "verdict": one["verdict"]}


def _rule(given: Any, number: int) -> Mapping[str, Any] | None:
    if given is None:
        return None
    if not isinstance(given, dict) or len(given) != 1 or next(iter(given)) not in RuleJudge.kinds():
        raise Unusable(f"criterion {number}: a rule is one of {', '.join(RuleJudge.kinds())}")
    return given
