"""Checks as small drawings: right is better, the solid line is no difference, the dashed one the margin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from training.gates.measures import MEASURES
from training.gates.profiles import LIMITED
from training.models import CheckKind, CheckOutcome, GateCheck

WIDTH = 180.0
TONES = {
    CheckOutcome.PASSED: "ok",
    CheckOutcome.FAILED: "danger",
    CheckOutcome.UNDECIDED: "caution",
    CheckOutcome.NOT_RUN: "quiet",
}
WHOLE = 10.0
"""From here on numbers are shown without decimal places."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """Places on an axis of WIDTH units; `zero` and `limit` None where the check has none."""

    start: float
    length: float
    at: float
    zero: float | None
    limit: float | None


@dataclass(frozen=True, slots=True)
class CheckRow:
    check: GateCheck
    tone: str
    drawing: Drawing | None
    decimals: int
    """Of this check's numbers."""
    label: str
    """The drawing in words."""


@dataclass(frozen=True, slots=True)
class CheckGroup:
    """The checks of one kind."""

    title: str
    rows: list[CheckRow]


def grouped(checks: Iterable[GateCheck]) -> list[CheckGroup]:
    """By kind: primary, no worse, required, for information; kinds without a check are left out."""
    found = list(checks)
    groups = [CheckGroup(str(kind.label), [_row(c) for c in found if c.kind == kind]) for kind in CheckKind]
    return [group for group in groups if group.rows]


def cells(checks: Sequence[GateCheck]) -> list[dict[str, Any]]:
    """The groups behind the subgroup check, worst first."""
    found = next((check for check in checks if check.name == "subgroups"), None)
    rows = found.detail.get("cells", []) if found else []
    return sorted(rows, key=lambda row: row["difference"])


def _row(check: GateCheck) -> CheckRow:
    outcome = CheckOutcome(check.outcome)
    judged = check.kind != CheckKind.INFORMATIVE
    tone = TONES[outcome] if judged or outcome == CheckOutcome.NOT_RUN else "quiet"
    told = [abs(value) for value in (check.candidate, check.baseline) if value is not None]
    decimals = 1 if told and max(told) >= WHOLE else 3
    return CheckRow(check, tone, _drawing(check), decimals, _label(check))


def _drawing(check: GateCheck) -> Drawing | None:
    if check.low is None or check.high is None:
        return None
    if check.name in LIMITED:
        return _against_limit(check, check.low, check.high)
    if check.difference is None:
        return None
    sign = 1 if _higher(check) else -1
    ends = sorted((sign * check.low, sign * check.high))
    limit = -check.margin if check.margin is not None and check.kind != CheckKind.PRIMARY else None
    return _place(ends[0], ends[1], sign * check.difference, 0.0, limit)


def _against_limit(check: GateCheck, low: float, high: float) -> Drawing:
    """How far below the limit; what has none is drawn from 0."""
    limit, value = check.margin or 0.0, check.candidate or 0.0
    return _place(limit - high, limit - low, limit - value, None, 0.0 if check.margin is not None else None)


def _higher(check: GateCheck) -> bool:
    return MEASURES[check.name].higher if check.name in MEASURES else True


def _place(low: float, high: float, value: float, zero: float | None, limit: float | None) -> Drawing:
    marks = [mark for mark in (low, high, value, zero, limit) if mark is not None]
    left, right = min(marks), max(marks)
    air = (right - left) * 0.08 or 1.0
    left, right = left - air, right + air

    def at(mark: float) -> float:
        return (mark - left) / (right - left) * WIDTH

    lines = [None if mark is None else at(mark) for mark in (zero, limit)]
    return Drawing(at(low), max(at(high) - at(low), 1.0), at(value), *lines)


def _label(check: GateCheck) -> str:
    if check.low is None or check.high is None:
        return ""
    subject = "Difference" if check.difference is not None else "Value"
    value = check.difference if check.difference is not None else check.candidate
    limit = "" if check.margin is None else f"; margin {check.margin:g}"
    return f"{subject} {value:.3f}, 95 % interval {check.low:.3f} to {check.high:.3f}{limit}"
