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


@register.filter
def amount(value: float) -> str:
    """A number of turns or dollars: one decimal place below a hundred, none above."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}"
