"""Rubrics in files: HealthBench rows, PriMock57 checklists, DiagBench rubrics, FHIR Questionnaires, our own lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from agents.records import Rejection, UnreadableFile
from agents.rubric_formats.base import CriterionRow, RubricRow, Unusable
from agents.rubric_formats.fhir_questionnaire import read_fhir, write_fhir
from agents.rubric_formats.own import read_own, write_own
from agents.rubric_formats.published import (
    read_diagbench,
    read_healthbench,
    read_primock57,
    write_diagbench,
    write_healthbench,
)

__all__ = ["READERS", "WRITERS", "CriterionRow", "RubricRow", "Unusable", "read", "write"]

READERS: dict[str, Callable[[Path], Iterator[RubricRow | Rejection]]] = {
    "rounds": read_own,
    "fhir": read_fhir,
    "healthbench": read_healthbench,
    "primock57": read_primock57,
    "diagbench": read_diagbench,
}
WRITERS: dict[str, Callable[[RubricRow], dict[str, Any]]] = {
    "rounds": write_own,
    "fhir": write_fhir,
    "healthbench": write_healthbench,
    "diagbench": write_diagbench,
}
"""A PriMock57 checklist is read only: it has two weights, and points would be lost."""


def read(format_name: str, path: Path) -> Iterator[RubricRow | Rejection]:
    """Every rubric of the file, or its rejection with the reason; UnreadableFile where nothing can be read."""
    if format_name not in READERS:
        raise UnreadableFile(f"Unknown format {format_name!r}; known are {', '.join(READERS)}.")
    if not path.is_file():
        raise UnreadableFile(f"There is no file {path}.")
    yield from READERS[format_name](path)


def write(format_name: str, rubrics: Iterable[RubricRow]) -> str:
    """The text of a file: one JSON object a line, or a Bundle for FHIR. Raises Unusable."""
    if format_name not in WRITERS:
        raise Unusable(f"Unknown format {format_name!r}; known are {', '.join(WRITERS)}.")
    rows = [WRITERS[format_name](rubric) for rubric in rubrics]
    if format_name == "fhir":
        entries = [{"resource": row} for row in rows]
        whole = rows[0] if len(rows) == 1 else {"resourceType": "Bundle", "type": "collection", "entry": entries}
        return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
