"""A turn as HTML, the same for page, socket and replay: escaped by the template, sanitised once more at the end."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import nh3
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe

from agents.answers import REPEATS, UNFIT
from agents.examinations import find, match
from agents.knowledge.catalogue import Examination
from clinic.answers import ranked
from clinic.models import Finding, SimulatedResult, Turn, TurnRole
from clinic.services.errors import sentence

TAGS = set(
    "article header div p h3 span b i s ul li dl dt dd details summary table tbody tr th td".split()  # noqa: SIM905
    + "svg rect circle path".split()  # noqa: SIM905
)
ATTRIBUTES = {
    "*": {"class", "id", "hidden"},
    "article": {"data-turn", "data-attempt", "tabindex", "aria-label", "aria-busy"},
    "p": {"data-field"},
    "h3": {"data-field"},
    "span": {"data-field"},
    "b": {"data-field"},
    "th": {"scope"},
    "svg": {"viewBox", "preserveAspectRatio", "aria-hidden"},
    "rect": {"x", "y", "width", "height"},
    "circle": {"cx", "cy", "r"},
    "path": {"d"},
}
VERBS = {"ask": "Ask", "examine": "Examine", "diagnose": "Diagnose", "defer": "Defer"}


def turn_html(turn: Turn, **instead: Any) -> SafeString:
    """The whole `#turn-N` element. Holds no form and nothing that differs between the people who see it.

    `instead` replaces parts of the context for a turn that is no row, such as one of an evaluated episode.
    """
    html = render_to_string("clinic/turn.html", {**turn_context(turn), **instead})
    # Autoescape is the first line; this one holds even where a template forgets it.
    return mark_safe(nh3.clean(html, tags=TAGS, attributes=ATTRIBUTES, url_schemes=set(), link_rel=None))  # noqa: S308


def turn_context(turn: Turn) -> dict[str, Any]:
    action = turn.action or {}
    kind = str(action.get("action", ""))
    found = results(turn)
    return {
        "turn": turn,
        "action": action,
        "kind": kind,
        "verb": VERBS.get(kind, ""),
        "final": kind in ("diagnose", "defer"),
        "leading": leading(action),
        "estimate": estimate(str(action.get("target", ""))) if kind == "examine" else None,
        "results": found,
        "words": beside(turn, found),
        "sentence": sentence(turn.error_code or "internal"),
        "dropped": dropped(turn),
        "undone": undone(turn),
        "classes": " ".join(filter(None, _classes(turn, kind))),
    }


def dropped(turn: Turn) -> dict[str, Any]:
    """What the agent said first and nobody saw: how often it asked again for what is known, whether it guessed."""
    return {"repeats": turn.dropped.count(REPEATS), "unfit": UNFIT in turn.dropped}


def _classes(turn: Turn, kind: str) -> list[str]:
    final, retracted = "final" if _final(kind) else "", "retracted" if turn.retracted_at else ""
    return [turn.role, turn.status, turn.source, kind, final, retracted]


def undone(turn: Turn) -> str:
    """Who undid it and when, by the site's clock: the same words for everybody who reads them."""
    if turn.retracted_at is None:
        return ""
    site = turn.consultation.site
    at = turn.retracted_at.astimezone(ZoneInfo(site.time_zone))
    who = turn.retracted_by.display_name if turn.retracted_by else "nobody known"
    return f"{who} at {at:%H:%M on} {at.day} {at:%B %Y}"


def _final(kind: str) -> bool:
    return kind in ("diagnose", "defer")


def leading(action: dict[str, Any]) -> list[dict[str, Any]]:
    """The three hypotheses that stood first at this turn."""
    return ranked(action)[:3]


def results(turn: Turn) -> list[dict[str, Any]]:
    """The measured or simulated numbers that an environment's turn brought."""
    if turn.role != TurnRole.ENVIRONMENT or turn.pk is None:
        return []
    rows: list[Finding | SimulatedResult] = [*turn.findings.all(), *turn.simulated_results.all()]
    return [value for row in rows for value in row.values]


def beside(turn: Turn, values: list[dict[str, Any]]) -> str:
    """The text of a result without the lines that only repeat the table of its values, or its own name."""
    if not values:
        return turn.text
    repeated = tuple(f"{value['name']}: " for value in values if value.get("name"))
    lines = turn.text.splitlines()
    kept = [line for line in lines if not (line.startswith(repeated) or line.rstrip(":") == turn.matched)]
    return "\n".join(kept)


@lru_cache(maxsize=512)
def estimate(target: str) -> Examination | None:
    """The catalogue's entry of a recommended examination, where it knows it."""
    found = match(target)
    return find(found[0].exam) if found else None
