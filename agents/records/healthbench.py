"""HealthBench rows (JSON Lines): a conversation and physicians' signed rubric criteria.

The rows carry a canary: they are imported to score with, never to train on and never to publish.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from agents.records.base import Parsed, Rejection, json_objects, list_of, text_of
from agents.types import CaseRecord

LICENCE = "MIT; carries a canary: never train on it, never publish it"
POINTS = range(-10, 11)


def parse(lines: Iterable[str | bytes]) -> Iterator[Parsed]:
    """One conversation per line; `extra["criteria"]` has text, points, axis and level of each criterion."""
    for name, row in json_objects(lines):
        yield row if isinstance(row, Rejection) else _conversation(name, row)


def _conversation(name: str, row: dict[str, Any]) -> Parsed:
    record = text_of(row.get("prompt_id")) or name
    messages = [_message(message) for message in list_of(row.get("prompt")) if isinstance(message, dict)]
    asked = [message["content"] for message in messages if message and message["role"] == "user"]
    if not asked or None in messages:
        return Rejection(record, "no conversation that a user opens")
    criteria, fault = _criteria(row.get("rubrics"))
    if fault:
        return Rejection(record, fault)
    return CaseRecord(
        id=record,
        origin="healthbench",
        age_years=None,
        sex="unknown",
        complaint=asked[0],
        extra={
            "conversation": messages,
            "criteria": criteria,
            "tags": [tag for tag in list_of(row.get("example_tags")) if isinstance(tag, str)],
            "canary": text_of(row.get("canary")),
            "never_train": True,
        },
    )


def _message(message: dict[str, Any]) -> dict[str, str] | None:
    role, content = message.get("role"), text_of(message.get("content"))
    return {"role": role, "content": content} if role in ("user", "assistant", "system") and content else None


def _criteria(rubrics: Any) -> tuple[list[dict[str, Any]], str | None]:
    if not isinstance(rubrics, list) or not rubrics:
        return [], "no rubric criteria"
    criteria = []
    for number, rubric in enumerate(rubrics, 1):
        text = text_of(rubric.get("criterion")) if isinstance(rubric, dict) else ""
        points = rubric.get("points") if text else None
        if not isinstance(points, int) or isinstance(points, bool) or points not in POINTS:
            return [], f"criterion {number} has no text or no points from -10 to 10"
        tags = dict(tag.split(":", 1) for tag in list_of(rubric.get("tags")) if isinstance(tag, str) and ":" in tag)
        criteria.append({"text": text, "points": points, "axis": tags.get("axis", ""), "level": tags.get("level", "")})
    return criteria, None
