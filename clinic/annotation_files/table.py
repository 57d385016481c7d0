"""Annotations as CSV: one line for each verdict or preference, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

from clinic.annotation_files.rows import as_row
from clinic.models import Annotation

ABOUT = (
    "annotation", "queue", "item", "consultation", "case", "rubric", "rubric_version", "annotator", "origin",
    "authoritative", "submitted_at", "seconds", "score", "coverage",
)  # fmt: skip
COLUMNS = (
    *ABOUT, "criterion", "text", "axis", "points", "turn", "verdict", "evidence", "evidence_turn", "reason",
    "dimension", "choice", "why", "first_wrong_turn", "correction_kind", "correction", "harm", "critique",
)  # fmt: skip
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_text(rows: Iterable[Annotation]) -> str:
    """With a header, in the order of COLUMNS."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="")
    writer.writeheader()
    for row in rows:
        writer.writerows({name: _cell(value) for name, value in line.items()} for line in _lines(row))
    return out.getvalue()


def _lines(row: Annotation) -> Iterator[dict[str, Any]]:
    data = as_row(row)
    about = {name: data.get(name) for name in ABOUT} | {
        "annotation": data["id"],
        "queue": data["queue"]["title"],
        "item": data["item"]["id"],
    }
    about |= {name: data[name] for name in COLUMNS[-5:]}
    texts = {one.criterion.key: one.criterion for one in row.ratings.all()}
    for rating in data["ratings"]:
        criterion = texts[rating["criterion"]]
        said = {"text": criterion.text, "axis": criterion.axis, "points": criterion.points}
        yield {**about, **rating, **said}
    for preference in data["preferences"]:
        yield {**about, **preference}
    if not data["ratings"] and not data["preferences"]:
        yield about


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would run as a formula gets an apostrophe before it."""
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return "" if value is None else value
