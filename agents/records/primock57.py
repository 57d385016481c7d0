"""PriMock57 (JSON Lines): mock primary-care consultations with transcript, note and weighted checklist."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from agents.records.base import Parsed, Rejection, age_in, json_objects, list_of, sex_in, text_of
from agents.types import CaseRecord

LICENCE = "CC BY 4.0"
_IMPRESSION = re.compile(r"^\s*(?:imp(?:ression)?|diagnosis|dx)\s*[:\-]\s*(.+)$", re.IGNORECASE | re.MULTILINE)


def parse(lines: Iterable[str | bytes]) -> Iterator[Parsed]:
    """One consultation per line. The note's impression becomes the answer where it states one."""
    for name, row in json_objects(lines):
        yield row if isinstance(row, Rejection) else _consultation(name, row)


def _consultation(name: str, row: dict[str, Any]) -> Parsed:
    record = text_of(row.get("id")) or name
    complaint, note = text_of(row.get("presenting_complaint")), text_of(row.get("clinician_note"))
    transcript = [_utterance(turn) for turn in list_of(row.get("transcript"))]
    if not complaint or not transcript or None in transcript:
        return Rejection(record, "no presenting complaint, or a transcript that cannot be read")
    checklist = [_item(item) for item in list_of(row.get("physician_checklist"))]
    if None in checklist:
        return Rejection(record, "a checklist item without text, or weighted neither critical nor non-critical")
    impression = _IMPRESSION.search(note)
    return CaseRecord(
        id=record,
        origin="primock57",
        age_years=age_in(note),
        sex=sex_in(note) if age_in(note) else "unknown",
        complaint=complaint,
        answer=impression[1].strip(" .") if impression else "",
        extra={"transcript": transcript, "note": note, "checklist": checklist},
    )


def _utterance(turn: Any) -> dict[str, Any] | None:
    if not isinstance(turn, dict) or turn.get("speaker") not in ("doctor", "patient") or not text_of(turn.get("text")):
        return None
    return {"speaker": turn["speaker"], "text": text_of(turn["text"]), "at_seconds": turn.get("t")}


def _item(item: Any) -> dict[str, Any] | None:
    if not isinstance(item, dict) or not text_of(item.get("item")):
        return None
    if item.get("weight") not in ("critical", "non-critical"):
        return None
    return {
        "section": text_of(item.get("section")),
        "text": text_of(item["item"]),
        "depth": item.get("depth") or 0,
        "critical": item["weight"] == "critical",
    }
