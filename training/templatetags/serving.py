"""What the clinic's pages show of how a version was made and came to serve."""

from __future__ import annotations

from typing import Any

from django import template
from django.template import Context

from clinic.models import ModelVersion
from training.gates import charts
from training.serving.card import card_of

register = template.Library()


@register.inclusion_tag("training/_version_story.html", takes_context=True)
def version_story(context: Context, version: ModelVersion) -> dict[str, Any]:
    """What changed, from which feedback, by which run, through which gate, signed by whom, serving since when.

    Pages of the training room are linked for people of the site that made it; clinicians read the card itself.
    """
    user, card = context["user"], card_of(version)
    mine = user.may_see_training and card.run is not None and card.run.site_id == user.site_id
    return {
        "card": card,
        "version": version,
        "may_open": mine,
        "groups": charts.grouped(card.checks),
        "last": card.deployments[0] if card.deployments else None,
    }
