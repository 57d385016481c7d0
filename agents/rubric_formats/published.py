"""Rubrics of published benchmarks, by the parsers of their cases: HealthBench, PriMock57 and DiagBench."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agents.records import Rejection, healthbench, primock57
from agents.records.base import json_document, list_of, text_of
from agents.records.diagbench import ALIASES, CRITERION
from agents.rubric_formats.base import CriterionRow, RubricRow, Unusable, whole_points
from agents.types import CaseRecord

HEALTHBENCH_AXES = {
    "accuracy": "accuracy",
    "completeness": "completeness",
    "context_awareness": "completeness",
    "communication_quality": "communication",
    "instruction_following": "communication",
}
CRITICAL, OTHER = 6, 2
"""Points of a checklist's critical items and of the others, which the source only calls by these words."""


def read_healthbench(path: Path) -> Iterator[RubricRow | Rejection]:
    """One rubric for each conversation."""
    with path.open("rb") as lines:
        for parsed in healthbench.parse(lines):
            yield parsed if isinstance(parsed, Rejection) else _healthbench(parsed)


def _healthbench(record: CaseRecord) -> RubricRow:
    notes = {name: record.extra[name] for name in ("canary", "never_train")} | {"licence": healthbench.LICENCE}
    rows = [
        CriterionRow(row["text"], row["points"], axis=HEALTHBENCH_AXES.get(row["axis"], "accuracy"))
        for row in record.extra["criteria"]
    ]
    return RubricRow(record.id, f"HealthBench {record.id}", tuple(rows), case=record.id, notes=notes)


def write_healthbench(rubric: RubricRow) -> dict[str, Any]:
    rows = [{"criterion": row.text, "points": row.points, "tags": [f"axis:{row.axis}"]} for row in rubric.criteria]
    return {"prompt_id": rubric.case or rubric.record, "rubrics": rows}


def read_primock57(path: Path) -> Iterator[RubricRow | Rejection]:
    """One rubric for each consultation with a checklist; an item's words follow those it is indented under."""
    with path.open("rb") as lines:
        for parsed in primock57.parse(lines):
            yield parsed if isinstance(parsed, Rejection) else _primock57(parsed)


def _primock57(record: CaseRecord) -> RubricRow | Rejection:
    if not record.extra["checklist"]:
        return Rejection(record.id, "no physician's checklist")
    above: list[str] = []
    rows = []
    for item in record.extra["checklist"]:
        above = [*above[: item["depth"]], item["text"]]
        points = CRITICAL if item["critical"] else OTHER
        rows.append(
            CriterionRow(f"Elicits: {' → '.join(above)}", points, axis="completeness", guideline=item["section"])
        )
    notes = {"licence": primock57.LICENCE, "points": {"critical": CRITICAL, "non-critical": OTHER}}
    return RubricRow(record.id, f"PriMock57 {record.id}", tuple(rows), case=record.id, notes=notes)


def read_diagbench(path: Path) -> Iterator[RubricRow | Rejection]:
    """Rubrics under their cases, or in a file of their own keyed by note id; what was not understood is named."""
    document = json_document(path)
    entries = document.items() if isinstance(document, dict) else enumerate(list_of(document), 1)
    for name, entry in entries:
        row = {ALIASES["criteria"][0]: entry} if isinstance(entry, list) else entry
        record = str(_first(row, ALIASES["id"]) or name) if isinstance(row, dict) else f"case {name}"
        try:
            if not isinstance(row, dict):
                raise Unusable("not an object")
            yield _diagbench(record, row)
        except Unusable as problem:
            yield Rejection(record, str(problem))


def _diagbench(record: str, row: dict[str, Any]) -> RubricRow:
    listed = list_of(_first(row, ALIASES["criteria"]))
    if not listed:
        raise Unusable("no rubric under any known name")
    known = {alias for aliases in ALIASES.values() for alias in aliases}
    unmapped = {f"case.{name}" for name in row if name not in known}
    rows = []
    for number, item in enumerate(listed, 1):
        text = text_of(_first(item, CRITERION["text"])) if isinstance(item, dict) else ""
        if not text:
            raise Unusable(f"criterion {number} has no text")
        rows.append(CriterionRow(text, whole_points(_first(item, CRITERION["points"]), number)))
        used = {alias for aliases in CRITERION.values() for alias in aliases}
        unmapped |= {f"criterion.{name}" for name in item if name not in used}
    return RubricRow(record, f"DiagBench {record}", tuple(rows), case=record, unmapped=tuple(sorted(unmapped)))


def write_diagbench(rubric: RubricRow) -> dict[str, Any]:
    """The published score knows weights from 0 to 10 only; raises Unusable for a penalty."""
    if any(row.points < 0 for row in rubric.criteria):
        raise Unusable("it has penalties, which that format does not know")
    return {
        "note_id": rubric.case or rubric.record,
        "rubrics": [{"criterion": row.text, "points": row.points} for row in rubric.criteria],
    }


def _first(row: dict[str, Any], aliases: tuple[str, ...]) -> Any:
    return next((row[alias] for alias in aliases if alias in row), None)
