"""DiagBench-shaped JSON: a list of cases or a dict keyed by note id, under the field names seen in the wild.

The released file could not be had when this was written, so fields go by aliases, and what could not be mapped
is reported on the record instead of being guessed (`extra["unmapped"]`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agents.records.base import (
    Parsed,
    Rejection,
    UnreadableFile,
    age_in,
    json_document,
    list_of,
    sex_in,
    text_of,
    unless_leaking,
)
from agents.types import CaseRecord, RecordedResult

LICENCE = "as stated by its publisher; the MIMIC-derived part is credentialed"
ALIASES = {
    "id": ("note_id", "id", "case_id"),
    "summary": ("case_summary", "inquiry", "summary", "patient_case"),
    "answer": ("final_diagnosis", "diagnosis", "discharge_diagnosis", "ground_truth"),
    "examinations": ("recommended_exam_names", "key_exam_names", "exam_names"),
    "steps": ("stepwise_diagnostic_reasoning_timeline_list", "timeline", "steps"),
    "results": ("key_pertinent_results_dict", "key_results", "results"),
    "criteria": ("rubrics", "rubric", "criteria"),
}
CRITERION = {
    "text": ("criterion", "rubric", "text", "description"),
    "points": ("points", "weight", "score", "importance"),
}
_SECTION = re.compile(r"^[\s\-*]*\**([A-Z][A-Za-z ]{2,40}?)\**\s*:\**\s*(.*)$")
SECTIONS = {
    "chief complaint": "complaint",
    "history of present illness": "hpi",
    "past medical history": "past",
    "personal history": "social",
    "social history": "social",
    "family history": "family",
    "allergy": "allergies",
    "allergies": "allergies",
    "allergy history": "allergies",
    "medications": "drugs",
    "patient information": "patient",
}


def read(path: Path) -> Iterator[Parsed]:
    """Every case of the file `path`."""
    document = json_document(path)
    if isinstance(document, dict):
        rows = [{"note_id": key, **value} if isinstance(value, dict) else value for key, value in document.items()]
    elif isinstance(document, list):
        rows = document
    else:
        raise UnreadableFile(f"{path.name} is neither a list of cases nor a dict of them.")
    for number, row in enumerate(rows, 1):
        yield _case(f"case {number}", row) if isinstance(row, dict) else Rejection(f"case {number}", "not an object")


def _take(row: dict[str, Any], aliases: tuple[str, ...], used: set[str]) -> Any:
    for alias in aliases:
        if alias in row:
            used.add(alias)
            return row[alias]
    return None


def _case(name: str, row: dict[str, Any]) -> Parsed:
    used: set[str] = set()
    fields = {field: _take(row, aliases, used) for field, aliases in ALIASES.items()}
    record = str(fields["id"] or name)
    summary, answer = text_of(fields["summary"]), text_of(fields["answer"])
    if not summary or not answer:
        return Rejection(record, f"no {'final diagnosis' if summary else 'case summary'} under any known name")
    results = fields["results"] if isinstance(fields["results"], dict) else {}
    criteria, fault = _criteria(fields["criteria"])
    if fault:
        return Rejection(record, fault)
    sections = split_summary(summary)
    patient = sections.pop("patient", summary[:300])
    return unless_leaking(
        CaseRecord(
            id=record,
            origin="diagbench",
            age_years=age_in(patient),
            sex=sex_in(patient),
            complaint=sections.pop("complaint", "") or summary.splitlines()[0],
            history=sections,
            results=tuple(
                RecordedResult(examination=str(exam), text=_text(result), order=order)
                for order, (exam, result) in enumerate(results.items())
            ),
            answer=answer,
            extra={
                "reference_examinations": [exam for exam in list_of(fields["examinations"]) if isinstance(exam, str)],
                "steps": [step for step in list_of(fields["steps"]) if isinstance(step, str)],
                "criteria": criteria,
                "unmapped": sorted(set(row) - used),
            },
        )
    )


def split_summary(summary: str) -> dict[str, str]:
    """The labelled bullets of an inquiry by section; text before or under no known label stays with `hpi`."""
    sections: dict[str, list[str]] = {}
    current = "hpi"
    for line in summary.splitlines():
        found = _SECTION.match(line)
        label = SECTIONS.get(found[1].strip().lower()) if found else None
        if found and label:
            current, line = label, found[2]
        if line.strip():
            sections.setdefault(current, []).append(line.strip())
    return {section: "\n".join(lines) for section, lines in sections.items()}


def _text(value: Any) -> str:
    return (
        value.strip()
        if isinstance(value, str)
        else "\n".join(f"{k}: {v}" for k, v in value.items())
        if isinstance(value, dict)
        else str(value)
    )


def _criteria(rubric: Any) -> tuple[list[dict[str, Any]], str | None]:
    criteria: list[dict[str, Any]] = []
    for number, item in enumerate(list_of(rubric), 1):
        used: set[str] = set()
        text = text_of(_take(item, CRITERION["text"], used)) if isinstance(item, dict) else ""
        points = _take(item, CRITERION["points"], used) if text else None
        if not isinstance(points, int | float) or isinstance(points, bool) or not -10 <= points <= 10:
            return [], f"criterion {number} has no text, or no weight from -10 to 10"
        criteria.append({"text": text, "points": points, "unmapped": sorted(set(item) - used)})
    return criteria, None
