"""How points, scores and changes of rubrics are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template

from clinic.models import RubricStatus

register = template.Library()
MINUS = "−"


@register.filter
def signed(points: int | None) -> str:
    """+8, −4."""
    if points is None:
        return ""
    return f"{MINUS if points < 0 else '+'}{abs(points)}"


@register.filter
def score(value: float | None) -> str:
    """Two decimals; a dash where nothing was decided."""
    return "–" if value is None else f"{value:.2f}"


@register.filter
def moved(change: float | None) -> str:
    if change is None:
        return "–"
    return "0.00" if abs(change) < 0.005 else f"{MINUS if change < 0 else '+'}{abs(change):.2f}"


@register.filter
def share(part: float) -> str:
    return f"{part:.0%}"


@register.filter
def plainly(value: Any) -> str:
    """A field's value in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return signed(value)
    if isinstance(value, list):
        return "; ".join(str(one.get("text", one)) for one in value) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {one}" for key, one in value.items())
    return str(value) if value else "none"


@register.filter
def named(names: Mapping[str, str], key: str) -> str:
    return names.get(key, key)


@register.filter
def version_status(status: str) -> str:
    return str(RubricStatus(status).label).lower()
