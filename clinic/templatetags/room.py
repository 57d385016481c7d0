"""Drawings of the consultation room: rank and value over time. Words beside them carry what they show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from agents.knowledge.conditions import knowledge
from clinic.facts import Facts, Known, place_of
from clinic.measures import exam_of
from clinic.models import Finding, SimulatedResult

register = template.Library()

WIDTH, HEIGHT, LOWEST = 56, 16, 6


@register.simple_tag
def rank_spark(ranks: Sequence[int | None]) -> SafeString | str:
    """Its place at each of the agent's turns, first on top; a gap where it was not named."""
    if sum(rank is not None for rank in ranks) < 2:
        return ""
    step = WIDTH / max(len(ranks) - 1, 1)
    points = [
        (n * step, 2 + (min(rank, LOWEST) - 1) * (HEIGHT - 4) / (LOWEST - 1)) for n, rank in enumerate(ranks) if rank
    ]
    said = ", ".join("not named" if rank is None else str(rank) for rank in ranks)
    return _line(points, f"Rank at each turn: {said}", "spark rank")


@register.simple_tag
def trend(facts: Facts, value: dict[str, Any], row: Finding | SimulatedResult) -> SafeString | str:
    """The values of this examination over the consultation, beside the newest; nothing while it stands still."""
    exam = exam_of(value, row.name)
    series = facts.series.get(exam.id, []) if exam else []
    if len(series) < 2 or series[-1].row != place_of(row):
        return ""
    numbers = [float(known.value) for known in series if isinstance(known.value, (int, float))]
    low, high = min(numbers), max(numbers)
    if low == high:
        return ""
    step, span = WIDTH / (len(numbers) - 1), high - low
    points = [(n * step, HEIGHT - 2 - (number - low) / span * (HEIGHT - 4)) for n, number in enumerate(numbers)]
    said = " → ".join(f"{number:.4g}" for number in numbers)
    return _line(points, f"Over time: {said}", "spark")


@register.filter
def in_case(ref: str, facts: Facts) -> Known | None:
    """The fact of this case that a kept piece of evidence refers to, if it is still known."""
    return facts.find(ref)


@register.filter
def condition_name(key: str) -> str:
    """The knowledge's name of a condition; outside of it the key is the name."""
    found = knowledge().conditions.get(key)
    return found.name if found else key


def _line(points: list[tuple[float, float]], said: str, kind: str) -> SafeString:
    path = " ".join(f"{'M' if n == 0 else 'L'}{x:.1f} {y:.1f}" for n, (x, y) in enumerate(points))
    dots = format_html_join("", '<circle cx="{}" cy="{}" r="1.6"/>', ((f"{x:.1f}", f"{y:.1f}") for x, y in points[-1:]))
    return format_html(
        '<span class="{}"><svg viewBox="-2 0 {} {}" aria-hidden="true"><path d="{}"/>{}</svg>'
        '<span class="sr">{}</span></span>',
        kind, WIDTH + 4, HEIGHT, path, dots, said,
    )  # fmt: skip
