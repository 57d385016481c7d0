"""A value as it was written, as the catalogue's examination in the catalogue's unit; None where that is not sure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from agents.examinations import match
from agents.knowledge.catalogue import Analyte, Examination, catalogue
from agents.reading.units import convert

SURE = 0.9
"""A misspelt name below this score is not taken for an examination."""


def exam_of(value: Mapping[str, Any], row: str = "") -> Examination | None:
    """The measured examination that one value of a result is of: by id, LOINC code, its name or its row's name."""
    code = str(value.get("code") or "")
    found = catalogue().exams.get(code) or _by_loinc().get(code)
    if found is not None and found.analyte:
        return found
    return next(filter(None, (_named(str(name)) for name in (value.get("name"), row) if name)), None)


def in_catalogue_unit(analyte: Analyte, number: float, unit: str) -> float | None:
    """The number in the analyte's unit. Without a unit it counts only where there is no second one in use."""
    if unit.strip() in ("", "1"):
        return None if analyte.si else number
    return convert(number, unit, analyte)


@cache
def _by_loinc() -> dict[str, Examination]:
    return {exam.loinc: exam for exam in catalogue().exams.values() if exam.loinc and exam.analyte}


@cache
def _named(name: str) -> Examination | None:
    hits = [hit for hit in match(name) if hit.score >= SURE]
    exam = catalogue().exams[hits[0].exam] if len(hits) == 1 else None
    return exam if exam and exam.analyte else None
