"""What a sheet's form sends, read into the shape that services take; the same for a draft and for the last word.

Fields: `v@TURN@KEY` verdict, `e@…` evidence, `t@…` the turn it stands in, `r@…` reason (TURN is empty where the
criterion is judged once); `p@DIMENSION` a, b or same, `w@DIMENSION` why.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.rubrics import Verdict
from clinic.models import Choice, CorrectionKind, Dimension, Harm

Sheet = dict[str, Any]
VERDICTS = [str(verdict) for verdict in Verdict if verdict is not Verdict.ERROR]
LONGEST = {"evidence": 2000, "reason": 2000, "critique": 20_000, "correction": 300, "why": 2000}
DAY = 86_400
FIRST, SECOND, SAME = Choice.FIRST.value, Choice.SECOND.value, Choice.SAME.value


def rubric_sheet(data: Mapping[str, str]) -> Sheet:
    """A sheet by rubric; what was not filled in is empty, what nobody could have chosen is left out."""
    return {
        "ratings": _ratings(data),
        "first_wrong_turn": whole(data.get("first_wrong_turn")),
        "correction": _correction(data),
        "harm": chosen(data.get("harm"), Harm.values),
        "critique": words(data, "critique", "critique"),
        "seconds": min(whole(data.get("seconds")) or 0, DAY),
    }


def preference_sheet(data: Mapping[str, str], *, swapped: bool) -> Sheet:
    """A comparison, as it is kept: by the item's order, whatever stood on the left."""
    kept = {"a": SECOND if swapped else FIRST, "b": FIRST if swapped else SECOND, "same": SAME}
    rows = [
        {"dimension": name, "choice": kept.get(data.get(f"p@{name}", ""), ""), "why": words(data, f"w@{name}", "why")}
        for name in Dimension.values
    ]
    return {
        "preferences": [row for row in rows if row["choice"] or row["why"]],
        "seconds": min(whole(data.get("seconds")) or 0, DAY),
    }


def shown(choice: str, *, swapped: bool) -> str:
    """The letter of a stored choice on this annotator's page."""
    if choice == SAME:
        return "same"
    return {True: "b", False: "a"}[(choice == FIRST) == swapped] if choice else ""


def _ratings(data: Mapping[str, str]) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for name, value in data.items():
        kind, _, place = name.partition("@")
        if kind in ("v", "e", "t", "r") and "@" in place and str(value).strip():
            rows.setdefault(place, {})[kind] = value
    return [_rating(place, row) for place, row in rows.items()]


def _rating(place: str, row: Mapping[str, str]) -> dict[str, Any]:
    turn, _, key = place.partition("@")
    return {
        "criterion": key,
        "turn": whole(turn),
        "verdict": chosen(row.get("v"), VERDICTS),
        "evidence": words(row, "e", "evidence"),
        "evidence_turn": whole(row.get("t")),
        "reason": words(row, "r", "reason"),
    }


def _correction(data: Mapping[str, str]) -> dict[str, str] | None:
    text = words(data, "correction", "correction")
    kind = chosen(data.get("correction_kind"), CorrectionKind.values)
    return {"kind": kind, "text": text} if text or kind else None


def words(data: Mapping[str, str], name: str, kind: str) -> str:
    # PostgreSQL keeps no NUL in a text, and a form ends its lines in its own way.
    return data.get(name, "").replace("\0", "").replace("\r\n", "\n").strip()[: LONGEST[kind]]


def whole(value: Any) -> int | None:
    """A whole number from 0 up, or nothing."""
    text = str(value or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else None


def chosen(value: str | None, offered: list[str]) -> str:
    return value if value in offered else ""
