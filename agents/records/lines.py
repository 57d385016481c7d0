"""From JSON lines to cases: one record, or one rejection with its reason, per line that says something."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from agents.records.base import Parsed, Rejection, json_objects
from agents.records.leaks import leak
from agents.types import CaseRecord

DEEPEST = 12
_UNREADABLE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\ud800-\udfff]")


class Unusable(ValueError):
    """Raised by the parser of one row; becomes a Rejection with this sentence."""


def read(lines: Iterable[str | bytes], build: Callable[[dict[str, Any]], CaseRecord]) -> Iterator[Parsed]:
    """What `build` makes of each row, leaks and repeats rejected; never raises for what a line says."""
    seen: dict[str, str] = {}
    for name, row in json_objects(lines):
        yield row if isinstance(row, Rejection) else _record(name, row, build, seen)


def _record(
    name: str, row: dict[str, Any], build: Callable[[dict[str, Any]], CaseRecord], seen: dict[str, str]
) -> Parsed:
    name = row["id"] if isinstance(row.get("id"), str) and row["id"] else name
    try:
        record = build(row)
        _check(record, seen)
    except Unusable as problem:
        return Rejection(name, str(problem))
    seen[record.id] = name
    return record


def _check(record: CaseRecord, seen: dict[str, str]) -> None:
    if record.id in seen:
        raise Unusable(f"the same record as {seen[record.id]}")
    if not record.results:
        raise Unusable("no examination results")
    problem = leak(record)
    if problem:
        raise Unusable(problem)


def clean(value: Any) -> str:
    """A field's text without control characters; lists become sentences, objects "Name: text" parts."""
    return _flat(value, 0)


def _flat(value: Any, depth: int) -> str:
    if depth > DEEPEST:
        raise Unusable("a field is nested too deeply")
    if value is None:
        return ""
    if isinstance(value, dict):
        parts = (f"{title(key)}: {_flat(item, depth + 1)}" for key, item in value.items())
        return "; ".join(part for part in parts if not part.endswith(": "))
    if isinstance(value, list):
        return "; ".join(part for part in (_flat(item, depth + 1) for item in value) if part)
    text = str(value) if isinstance(value, str | int | float) else ""
    return "".join(
        " " if (ord(c) < 32 and c != "\n") or 0xD800 <= ord(c) < 0xE000 or ord(c) == 127 else c for c in text
    ).strip()


def title(key: str) -> str:
    """ "Chest_X-ray" as words, the first letter large."""
    words = " ".join(key.replace("_", " ").split())
    return words[:1].upper() + words[1:]


def need(row: dict[str, Any], key: str) -> str:
    """The text of a required field."""
    text = clean(row.get(key))
    if not text:
        raise Unusable(f"{key} is missing")
    return text
