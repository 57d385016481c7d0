"""Shares, verdicts and scores as the pages of learning write them."""

from __future__ import annotations

from fractions import Fraction

from django import template

from clinic.models import Feedback

register = template.Library()


@register.filter
def share(value: Fraction | float | None) -> str:
    """A share as a percentage; a dash where there is none."""
    return "–" if value is None else f"{float(value):.0%}"


@register.filter
def decimal(value: float | str | None) -> str:
    """Two places; a template's empty string is no number either."""
    return f"{value:.2f}" if isinstance(value, (int, float)) else "–"


@register.filter
def verdict(met: bool | None) -> str:
    return {True: "Met", False: "Not met", None: "Even"}[met]


@register.filter
def said(row: Feedback) -> str:
    """What one row of feedback is about and says, in one line; `unread`: its score would sway who reads it."""
    done = ", ".join(str(one) for one in row.data.get("done") or [])
    shown = row.data.get("annotation") and not getattr(row, "unread", False)
    score = row.data.get("score") if shown else None
    parts = (
        row.target,
        row.get_reason_code_display().lower() if row.reason_code else "",
        row.reason,
        f"done: {done}" if done else "",
        f"score {decimal(score)}" if score is not None else "",
    )
    return " · ".join(part for part in parts if part)
