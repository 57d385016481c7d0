"""What pages of the other room show of evaluations: those of one version."""

from __future__ import annotations

from typing import Any

from django import template
from django.db.models import Q
from django.template import Context

from clinic.models import ModelVersion
from training.models import Evaluation

register = template.Library()
SHOWN = 8


@register.inclusion_tag("training/_evaluations_of.html", takes_context=True)
def evaluations_of(context: Context, version: ModelVersion) -> dict[str, Any]:
    """The newest evaluations of a version that this person may see, panels over it included."""
    name = version.version
    mine = Q(identity__version=name) | Q(identity__version__endswith=f"({name})")
    visible = Evaluation.objects.visible_to(context["user"])
    return {"evaluations": visible.filter(mine)[:SHOWN]}


ENDINGS = {
    "FINISH": "with a diagnosis",
    "DEFER": "deferred",
    "MALFORMED": "no clear action",
    "MAX_TURNS": "out of turns",
    "TOKEN_BUDGET": "out of tokens",
    "ENV_ERROR": "its server failed",
}


@register.filter
def ending(end: str) -> str:
    return ENDINGS.get(end, end)


@register.filter
def p_value(p: float) -> str:
    """Three decimal places, and never a bare zero."""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


@register.filter
def amount(value: float) -> str:
    """A number of turns or dollars: one decimal place below a hundred, none above."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}"
