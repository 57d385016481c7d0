"""Numbers of runs as people read them; formatting only."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import template

register = template.Library()
MINUTE, HOUR, DAY = 60, 3600, 86400


@register.filter
def significant(value: Any) -> str:
    """Three significant digits, thousands kept whole: 0.0123, 4.5, 1230."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return "–"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


@register.filter
def duration_words(value: timedelta | None) -> str:
    """Rough: 40 s, 12 min, 3 h 5 min, 2 days."""
    if value is None:
        return "–"
    seconds = int(value.total_seconds())
    if seconds < MINUTE:
        return f"{seconds} s"
    if seconds < HOUR:
        return f"{round(seconds / MINUTE)} min"
    if seconds < DAY:
        return f"{seconds // HOUR} h {seconds % HOUR // MINUTE} min"
    return f"{seconds / DAY:.1f} days"
