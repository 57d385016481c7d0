"""What pages say where a language world model answers: the choice, who wrote a result, and which version."""

from __future__ import annotations

from typing import Any

from django import template

from clinic.models import Case, CaseKind, Consultation, SimulatedResult, Turn, WorldBackend
from clinic.services import language_world
from clinic.services.worlds import LANGUAGE

register = template.Library()


@register.inclusion_tag("clinic/world/choice.html")
def world_choice(case: Case) -> dict[str, Any]:
    """Who answers examinations in a new consultation; nothing to choose for a real patient."""
    possible = case.kind != CaseKind.PATIENT and bool(case.answer.strip()) and language_world.offered()
    return {"case": case, "possible": possible}


@register.inclusion_tag("clinic/world/banner.html")
def world_banner(consultation: Consultation) -> dict[str, Any]:
    """Which world model answers in this consultation, if one does."""
    return {"consultation": consultation, "language": consultation.world == WorldBackend.LANGUAGE}


@register.inclusion_tag("clinic/world/written_by.html")
def written_by(turn: Turn) -> dict[str, list[SimulatedResult]]:
    """Model, version and seed of a result that a language model wrote."""
    rows = turn.simulated_results.all() if turn.pk is not None else []
    return {"rows": [row for row in rows if row.world == LANGUAGE]}
