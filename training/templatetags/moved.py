"""What moved in a version: its newest evaluation against its parent's on the same cases, where both are there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django import template
from django.template import Context

from clinic.models import FeedbackUse, ModelVersion
from training.models import Evaluation, EvaluationStatus
from training.standings import SAME

register = template.Library()
NEWEST = 200
MEASURES = (
    ("accuracy", "Diagnosis right"),
    ("rubric", "Rubric score"),
    ("f1_mean_per_case", "Examinations: F1"),
    ("turns", "Agent actions"),
    ("cost", "Cost, US dollars"),
)


@dataclass(frozen=True, slots=True)
class Move:
    """One measure before and after."""

    name: str
    before: float
    after: float


@register.inclusion_tag("training/_moved.html", takes_context=True)
def what_moved(context: Context, versions: Sequence[ModelVersion]) -> dict[str, Any]:
    """Each version with the pair of evaluations that can be compared; one query for all of them."""
    names = {name for version in versions for name in (version.version, _parent(version)) if name}
    found = Evaluation.objects.visible_to(context["user"]).filter(
        status=EvaluationStatus.SUCCEEDED, identity__version__in=names
    )
    rows = list(found[:NEWEST])
    return {"versions": [(version, _parent(version), *_pair(version, rows)) for version in versions]}


def _parent(version: ModelVersion) -> str:
    return str(version.manifest.get("parent") or "")


def _pair(version: ModelVersion, rows: Sequence[Evaluation]) -> tuple[Evaluation | None, Evaluation | None, list[Move]]:
    for after in rows:
        if after.identity["version"] != version.version:
            continue
        for before in rows:
            if before.identity["version"] == _parent(version) and _key(before) == _key(after):
                return before, after, list(_moves(before, after))
    return None, None, []


def _key(row: Evaluation) -> tuple[Any, ...]:
    sampling = row.identity.get("sampling") or {}
    rules = (sampling.get("resample"), sampling.get("least_fit"))  # of how it answers, not of what it learned
    return (row.protocol, rules, *(getattr(row, name) for name in SAME))


def _moves(before: Evaluation, after: Evaluation) -> Iterator[Move]:
    for key, name in MEASURES:
        old, new = before.summary.get(key), after.summary.get(key)
        if isinstance(old, (int, float)) and isinstance(new, (int, float)):
            yield Move(name, old, new)


@register.simple_tag
def anything_trained() -> bool:
    """Whether any version was made from anybody's feedback; asked only where there is none of one's own."""
    return FeedbackUse.objects.exists()
