"""One line of a file as the columns of an annotation; every fault is one sentence, and nothing is guessed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn
from uuid import UUID

from django.utils.dateparse import parse_datetime

from agents.rubrics import Verdict
from clinic.annotation_files.rows import MARK
from clinic.models import AnnotationOrigin, Choice, CorrectionKind, Dimension, Harm, QueueKind

TEXTS = {"correction": 300, "critique": 100_000, "reason": 100_000}
NUMBERS = ("seconds", "first_wrong_turn")
SHARES = ("score", "coverage")
LARGEST = 2**31 - 1


class Unreadable(ValueError):
    """This line is no annotation; `str()` is why."""


@dataclass(frozen=True, slots=True)
class Line:
    """What was read; ids are not looked up yet."""

    id: UUID
    consultation: UUID
    other: UUID | None
    rubric_version: UUID | None
    annotator: str | None
    feedback: UUID | None
    consent: bool
    submitted_at: datetime
    queue: dict[str, Any]
    item: dict[str, Any]
    columns: dict[str, Any]
    ratings: list[dict[str, Any]]
    preferences: list[dict[str, Any]]


def read(data: dict[str, Any]) -> Line:
    """Raises Unreadable."""
    if data.get("format") != MARK:
        _fail(f"it is not marked as {MARK}")
    columns = _columns(data)
    return Line(
        id=_id(data, "id"),
        consultation=_id(data, "consultation"),
        other=_maybe_id(data, "other"),
        rubric_version=_maybe_id(data, "rubric_version"),
        annotator=_maybe_text(data, "annotator"),
        feedback=_maybe_id(data, "feedback"),
        consent=_flag(data, "consent"),
        submitted_at=_moment(data),
        queue=_queue(data),
        item=_item(data),
        columns=columns,
        ratings=[_rating(row, columns["origin"]) for row in _list(data, "ratings")],
        preferences=[_preference(row) for row in _list(data, "preferences")],
    )


def _columns(data: dict[str, Any]) -> dict[str, Any]:
    judge = data.get("judge")
    if not isinstance(judge, dict):
        _fail("judge is not an object")
    return {
        "origin": _one_of(data, "origin", AnnotationOrigin.values),
        "correction_kind": _one_of(data, "correction_kind", ["", *CorrectionKind.values]),
        "harm": _one_of(data, "harm", ["", *Harm.values]),
        "swapped": _flag(data, "swapped"),
        "authoritative": _flag(data, "authoritative"),
        "judge": judge,
        **{name: _text(data, name, most) for name, most in TEXTS.items()},
        **{name: _whole(data, name) for name in NUMBERS},
        **{name: _share(data, name) for name in SHARES},
    }


def _queue(data: dict[str, Any]) -> dict[str, Any]:
    row = _object(data, "queue")
    overlap = _whole(row, "overlap") or 0
    if not 1 <= overlap <= 9:
        _fail("the queue's overlap is not from 1 to 9")
    return {
        "id": _id(row, "id"),
        "title": _text(row, "title", 200),
        "kind": _one_of(row, "kind", QueueKind.values),
        "overlap": overlap,
        "blind": _flag(row, "blind"),
    }


def _item(data: dict[str, Any]) -> dict[str, Any]:
    row = _object(data, "item")
    return {
        "id": _id(row, "id"),
        "wanted": min(_whole(row, "wanted") or 1, 99),
        "position": _whole(row, "position") or 0,
        "stratum": _text(row, "stratum", 120),
        "gold": _flag(row, "gold"),
    }


def _rating(row: Any, origin: str) -> dict[str, Any]:
    """A person's verdict is one of those that people give: only a judge's reading fails."""
    if not isinstance(row, dict):
        _fail("a rating is not an object")
    known = [str(verdict) for verdict in Verdict if origin == AnnotationOrigin.JUDGE or verdict is not Verdict.ERROR]
    return {
        "criterion": _text(row, "criterion", 40),
        "turn": _whole(row, "turn"),
        "verdict": _one_of(row, "verdict", known),
        "evidence": _text(row, "evidence", 100_000),
        "evidence_turn": _whole(row, "evidence_turn"),
        "reason": _text(row, "reason", 100_000),
    }


def _preference(row: Any) -> dict[str, Any]:
    if not isinstance(row, dict):
        _fail("a preference is not an object")
    return {
        "dimension": _one_of(row, "dimension", Dimension.values),
        "choice": _one_of(row, "choice", Choice.values),
        "why": _text(row, "why", 100_000),
    }


def _id(data: dict[str, Any], name: str) -> UUID:
    found = _maybe_id(data, name)
    return found if found is not None else _fail(f"{name} is missing")


def _maybe_id(data: dict[str, Any], name: str) -> UUID | None:
    value = data.get(name)
    if value is None:
        return None
    try:
        return UUID(value)
    except (ValueError, TypeError, AttributeError):
        _fail(f"{name} is no id")


def _text(data: dict[str, Any], name: str, most: int) -> str:
    value = data.get(name)
    if not isinstance(value, str) or len(value) > most or "\x00" in value:
        _fail(f"{name} is not a text of at most {most:,} characters")
    return value


def _maybe_text(data: dict[str, Any], name: str) -> str | None:
    return None if data.get(name) is None else _text(data, name, 150)


def _whole(data: dict[str, Any], name: str) -> int | None:
    value = data.get(name)
    if value is not None and (type(value) is not int or not 0 <= value <= LARGEST):
        _fail(f"{name} is not a whole number")
    return value


def _share(data: dict[str, Any], name: str) -> float | None:
    value = data.get(name)
    if value is None:
        return None
    if type(value) not in (int, float) or not math.isfinite(value):
        _fail(f"{name} is not a number")
    return float(value)


def _flag(data: dict[str, Any], name: str) -> bool:
    value = data.get(name)
    return value if isinstance(value, bool) else _fail(f"{name} is neither true nor false")


def _one_of(data: dict[str, Any], name: str, known: list[str]) -> str:
    value = data.get(name)
    return str(value) if isinstance(value, str) and value in known else _fail(f"{name} is not known")


def _list(data: dict[str, Any], name: str) -> list[Any]:
    value = data.get(name)
    return value if isinstance(value, list) else _fail(f"{name} is not a list")


def _object(data: dict[str, Any], name: str) -> dict[str, Any]:
    value = data.get(name)
    return value if isinstance(value, dict) else _fail(f"{name} is not an object")


def _moment(data: dict[str, Any]) -> datetime:
    try:
        found = parse_datetime(_text(data, "submitted_at", 40))
    except ValueError:
        found = None
    return found if found is not None and found.tzinfo else _fail("submitted_at is no moment with a time zone")


def _fail(why: str) -> NoReturn:
    raise Unreadable(why)
