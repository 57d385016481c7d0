"""ACI-Bench (CSV): doctor-patient dialogues and the notes written from them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from agents.records.base import Parsed, Rejection, age_in, csv_rows, sex_in
from agents.types import CaseRecord

LICENCE = "CC BY 4.0"
_SPEAKER = re.compile(r"^\[(doctor|patient|[a-z_ ]+)\]\s*(.*)$", re.IGNORECASE)
_COMPLAINT = re.compile(r"CHIEF COMPLAINT\s*:?\s*\n+\s*(.+?)\s*(?:\n\s*\n|$)", re.IGNORECASE | re.DOTALL)


def read(path: Path) -> Iterator[Parsed]:
    """One dialogue per row; `extra` keeps the dialogue and the note."""
    for name, row in csv_rows(path, ("encounter_id", "dialogue", "note")):
        yield row if isinstance(row, Rejection) else _encounter(name, row)


def _encounter(name: str, row: dict[str, str]) -> Parsed:
    record = row["encounter_id"].strip() or name
    dialogue = [found.groups() for line in row["dialogue"].splitlines() if (found := _SPEAKER.match(line.strip()))]
    if not dialogue or not row["note"].strip():
        return Rejection(record, "no dialogue with named speakers, or no note")
    stated = _COMPLAINT.search(row["note"])
    spoken = next((text for speaker, text in dialogue if speaker.lower() == "patient" and len(text) > 20), "")
    about = f"{row['note'][:1500]} {' '.join(text for _, text in dialogue[:8])}"
    return CaseRecord(
        id=record,
        origin="acibench",
        age_years=age_in(about),
        sex=sex_in(about) if age_in(about) else "unknown",
        complaint=" ".join((stated[1] if stated else spoken or dialogue[0][1]).split()),
        extra={
            "dialogue": [{"speaker": speaker.lower(), "text": text} for speaker, text in dialogue],
            "note": row["note"].strip(),
        },
    )
