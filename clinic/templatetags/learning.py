"""Shares, verdicts and scores as the pages of learning write them."""

from __future__ import annotations

from fractions import Fraction

from django import template

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
