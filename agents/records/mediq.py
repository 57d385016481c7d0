"""MediQ's iCRAFT-MD (JSON Lines): atomic facts about a patient and four possible answers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from agents.records.base import Parsed, Rejection, Sex, age_in, json_objects, list_of, sex_in, text_of, unless_leaking
from agents.types import CaseRecord

LICENCE = "CC BY 4.0"
_NUMBERED = re.compile(r"^\s*\d+[.)]\s*")


def parse(lines: Iterable[str | bytes]) -> Iterator[Parsed]:
    """One case per line. `extra` keeps the question, its options and the atomic facts."""
    for name, row in json_objects(lines):
        yield row if isinstance(row, Rejection) else _case(name, row)


def _case(name: str, row: dict[str, Any]) -> Parsed:
    record = f"mediq-{row['id']}" if isinstance(row.get("id"), int | str) else name
    options, key, answer = row.get("options"), row.get("answer_idx"), text_of(row.get("answer"))
    context = row.get("context")
    if not isinstance(context, list) or not all(isinstance(item, str) for item in context) or not context:
        return Rejection(record, "no context sentences")
    if not isinstance(options, dict) or not answer:
        return Rejection(record, "no options or no answer")
    if options.get(key) != answer:
        return Rejection(record, f"the answer is not option {key}")
    facts = [_NUMBERED.sub("", fact) for fact in list_of(row.get("facts")) if isinstance(fact, str)]
    patient = row.get("patient")
    who = patient if isinstance(patient, dict) else {}
    about = f"{who.get('age', '')} {who.get('gender', '')}"
    sex: Sex = sex_in(about)
    return unless_leaking(
        CaseRecord(
            id=record,
            origin="mediq",
            age_years=age_in(about) or age_in(context[0]),
            sex=sex if sex != "unknown" else sex_in(context[0]),
            complaint=context[0],
            history={"hpi": " ".join(context[1:])} if context[1:] else {},
            answer=answer,
            extra={"question": text_of(row.get("question")), "options": options, "facts": facts},
        )
    )
