"""Admissions from the published MIMIC-derived JSON, for those who have access to it; always credentialed.

`{note id: {text, discharge_diagnosis, reformat_physical_exam, events}}`, beside it perhaps `reference_range.json`.
With `raw`, entries also state `admission_time`, and are then windowed and grouped as the published ones already are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from agents.records import UnreadableFile
from agents.records.base import Rejection, json_document, list_of, text_of
from training.worlds.admission import Admission, Result, Window
from training.worlds.ranges import NAME as RANGES
from training.worlds.ranges import Ranges

MARKER = "Physical Exam:"
_COMPLAINT = re.compile(r"Chief Complaint:\s*(.+)")
_ALWAYS = Window(before=float("inf"), after=float("inf"))
Entry = dict[str, Any]


def read(path: Path, *, raw: bool = False) -> Iterator[Admission | Rejection]:
    """Every note of a file, or of all .json files of a folder."""
    files = [path] if path.is_file() else sorted(file for file in path.glob("*.json") if file.name != RANGES)
    if not files:
        raise UnreadableFile(f"{path.name} holds no .json file.")
    folder = path if path.is_dir() else path.parent
    ranges = Ranges.of(folder / RANGES)
    for file in files:
        notes = json_document(file)
        if not isinstance(notes, dict):
            raise UnreadableFile(f"{file.name} is not an object of notes by their id.")
        for note, entry in notes.items():
            yield admission(note, entry, ranges, raw=raw)


def admission(note: str, entry: Any, ranges: Ranges, *, raw: bool) -> Admission | Rejection:
    """One note; what cannot be used is rejected with the reason."""
    if not isinstance(entry, dict):
        return Rejection(note, "not an object")
    told, marker, _ = text_of(entry.get("text")).partition(MARKER)
    if not marker:
        return Rejection(note, f"the note has no {MARKER!r}")
    body = [found for row in list_of(entry.get("reformat_physical_exam")) if (found := _physical(row))]
    if not body:
        return Rejection(note, "no physical examination")
    times = _times(entry, raw)
    if times is None:
        return Rejection(note, "no admission time, or an event without one")
    complaint = _COMPLAINT.search(told)
    return Admission(
        id=note,
        patient=note.partition("-")[0],
        origin="published",
        access="credentialed",
        complaint=complaint[1].strip() if complaint else "",
        presentation=told.strip(),
        diagnosis=text_of(entry.get("discharge_diagnosis")),
        physical=tuple(body),
        results=tuple(_results(entry, times, ranges)),
        window=Window() if raw else _ALWAYS,
        panels=raw,
    )


def _physical(row: Any) -> Result | None:
    name, text = (text_of(row.get(key)) if isinstance(row, dict) else "" for key in ("exam_name", "exam_results"))
    return Result(name, text) if name and text else None


def _results(entry: Entry, times: list[float], ranges: Ranges) -> Iterator[Result]:
    for event, time in zip(_events(entry), times, strict=True):
        data = event.get("data")
        name, text = (text_of(data.get(key)) if isinstance(data, dict) else "" for key in ("label", "lab_data"))
        if name and text:
            yield Result(name, ranges.added(name, text), time)


def _times(entry: Entry, raw: bool) -> list[float] | None:
    """Hours after admission; of prepared entries, whose times only sort, the rank."""
    stamps = [event.get("time") for event in _events(entry)]
    if not raw:
        ranked = {stamp: float(n) for n, stamp in enumerate(sorted({_sortable(one) for one in stamps}))}
        return [ranked[_sortable(one)] for one in stamps]
    admitted, at = _moment(entry.get("admission_time")), [_moment(one) for one in stamps]
    if admitted is None or None in at:
        return None
    return [(one - admitted).total_seconds() / 3600 for one in at if one]


def _events(entry: Entry) -> list[Entry]:
    return [event for event in list_of(entry.get("events")) if isinstance(event, dict)]


def _sortable(stamp: Any) -> tuple[float, str]:
    """Numbers before text, both in their own order."""
    return (float(stamp), "") if isinstance(stamp, int | float) else (float("inf"), str(stamp))


def _moment(stamp: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text_of(stamp))
    except ValueError:
        return None
