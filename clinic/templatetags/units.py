"""A value in the other unit that is in use, beside the one in which it was entered."""

from __future__ import annotations

from typing import Any

from django import template

from clinic.result_rows import displayed, other_unit

register = template.Library()


@register.filter
def also(value: dict[str, Any]) -> str:
    """ "7.2 mmol/L" beside 130 mg/dL of glucose; empty where only one unit is in use."""
    found = other_unit(value)
    return f"{found[0]:.3g} {displayed(found[1])}" if found else ""
