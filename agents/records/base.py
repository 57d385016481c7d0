"""What every parser of an outside format shares: records, rejections with a reason, and safe reading."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agents.types import CaseRecord

RECORD_BYTES = 4_000_000
"""A longer record is refused: no single case of any known format comes near it."""
DOCUMENT_BYTES = 256_000_000

Sex = Literal["female", "male", "other", "unknown"]


@dataclass(frozen=True, slots=True)
class Rejection:
    """One record that was not taken: which (its id or line), and why, in a sentence."""

    record: str
    reason: str


Parsed = CaseRecord | Rejection


class UnreadableFile(ValueError):
    """The file as a whole cannot be read; `str()` says why and what to check."""


def json_objects(lines: Iterable[str | bytes]) -> Iterator[tuple[str, dict[str, Any] | Rejection]]:
    """(record name, object or Rejection) per non-empty line of a JSON Lines file."""
    for number, line in enumerate(lines, 1):
        name = f"line {number}"
        if not line.strip():
            continue
        yield name, _json_object(name, line)


def _json_object(name: str, line: str | bytes) -> dict[str, Any] | Rejection:
    if len(line) > RECORD_BYTES:
        return Rejection(name, f"longer than {RECORD_BYTES:,} bytes")
    try:
        value = json.loads(line.decode("utf-8-sig") if isinstance(line, bytes) else line)
    except UnicodeDecodeError:
        return Rejection(name, "not UTF-8 text")
    except RecursionError:
        return Rejection(name, "nested too deeply")
    except ValueError as error:
        return Rejection(name, f"not valid JSON: {error}")
    return value if isinstance(value, dict) else Rejection(name, "not a JSON object")


def json_document(path: Path) -> Any:
    """The whole file as one JSON value, or UnreadableFile."""
    if path.stat().st_size > DOCUMENT_BYTES:
        raise UnreadableFile(f"{path.name} is larger than {DOCUMENT_BYTES:,} bytes; split it first.")
    try:
        return json.loads(path.read_text("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UnreadableFile(f"{path.name} is not UTF-8 text.") from error
    except RecursionError as error:
        raise UnreadableFile(f"{path.name} is nested too deeply to be a record.") from error
    except ValueError as error:
        raise UnreadableFile(f"{path.name} is not valid JSON: {error}.") from error


def csv_rows(path: Path, needed: Iterable[str]) -> Iterator[tuple[str, dict[str, str] | Rejection]]:
    """(record name, row or Rejection) per line; UnreadableFile where columns are missing."""
    csv.field_size_limit(RECORD_BYTES)
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.DictReader(file)
        try:
            missing = sorted(set(needed) - set(reader.fieldnames or ()))
        except csv.Error as error:
            raise UnreadableFile(f"{path.name} is not readable as CSV: {error}.") from error
        if missing:
            raise UnreadableFile(f"{path.name} has no column {', '.join(missing)}.")
        rows = iter(reader)
        while True:
            try:
                row = next(rows, None)
            except csv.Error as error:
                yield f"line {reader.line_num}", Rejection(f"line {reader.line_num}", f"not readable as CSV: {error}")
                continue
            if row is None:
                return
            yield f"line {reader.line_num}", _csv_row(f"line {reader.line_num}", row)


def _csv_row(name: str, row: dict[str | None, Any]) -> dict[str, str] | Rejection:
    if None in row:
        return Rejection(name, "more cells than columns")
    if any(value is None for value in row.values()):
        return Rejection(name, "fewer cells than columns: the line is cut off")
    cells = {str(key): str(value) for key, value in row.items()}
    if any("\udc80" <= character <= "\udcff" for value in cells.values() for character in value):
        return Rejection(name, "not UTF-8 text")
    return cells


_AGE = re.compile(r"(\d{1,3})(?:\.\d+)?[\s-]*(?:years?|yrs?|y/?o\b|y\b)", re.IGNORECASE)
_MONTHS = re.compile(r"(\d{1,2})[\s-]*(?:months?|mo\b)[\s-]*old", re.IGNORECASE)
_FEMALE = re.compile(r"\b(female|woman|girl|lady|f)\b", re.IGNORECASE)
_MALE = re.compile(r"\b(male|man|boy|gentleman|m)\b", re.IGNORECASE)


def age_in(text: str) -> float | None:
    """The first age in years that the text states, or None."""
    if found := _AGE.search(text):
        age = float(found[1])
        return age if age <= 120 else None
    found = _MONTHS.search(text)
    return round(int(found[1]) / 12, 2) if found else None


def sex_in(text: str) -> Sex:
    if _FEMALE.search(text):
        return "female"
    return "male" if _MALE.search(text) else "unknown"


def words(text: str) -> str:
    """Lower-case words with single spaces around, so that phrases can be found by `in`."""
    return f" {' '.join(re.findall(r'[a-z0-9]+', text.lower()))} "


def leaks(answer: str, texts: Iterable[str], aliases: Iterable[str] = ()) -> str | None:
    """The name of the diagnosis that the presentation already gives away, or None (system.md D4)."""
    told = "".join(words(text) for text in texts)
    bare = re.sub(r"\([^)]*\)", " ", answer)
    for name in (answer, bare, *aliases):
        phrase = words(name)
        if phrase.strip() and phrase in told:
            return name.strip()
    return None


def unless_leaking(record: CaseRecord, aliases: Iterable[str] = ()) -> Parsed:
    """The record itself, or its rejection because the inquiry names the diagnosis."""
    told = leaks(record.answer, [record.complaint, *record.history.values()], aliases)
    return Rejection(record.id, f"the presentation names the diagnosis ({told})") if told else record


def text_of(value: Any) -> str:
    """A field that should be text, stripped; anything else counts as missing. No database keeps a NUL."""
    return value.replace("\0", "").strip() if isinstance(value, str) else ""


def list_of(value: Any) -> list[Any]:
    """A field that should be a list; anything else counts as empty."""
    return value if isinstance(value, list) else []
