"""The look-ahead of a consultation, as a page and an interface show it: simulation by name in every form."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from django.core.cache import caches

from agents import examinations
from agents.knowledge.conditions import knowledge
from agents.world.look_ahead import Ahead, Moved, candidates, look_ahead
from agents.world.model import model
from clinic.facts import Facts
from clinic.second_opinion import belief_of

KEPT_SECONDS = 3600
LABEL = "Simulation. Nobody measured this; it is no finding and is never kept as one."
WIDTH = 120.0


@dataclass(frozen=True, slots=True)
class Track:
    """One condition's movement, drawn: where it stands now and after each simulated result."""

    name: str
    now: float
    low: float
    high: float
    dots: tuple[float, ...]
    at: float


@dataclass(frozen=True, slots=True)
class LookAhead:
    candidates: tuple[tuple[Ahead, tuple[Track, ...]], ...] = ()
    outside: str = ""
    label: str = LABEL

    def as_dict(self) -> dict[str, Any]:
        """For the interface: every result carries that it is simulated, by what, and of which version."""
        shown = [{"simulated": True, "world": "virtual", **asdict(ahead)} for ahead, _ in self.candidates]
        return {"simulated": True, "label": self.label, "outside": self.outside, "candidates": shown}


def look_ahead_of(facts: Facts, *, wanted: str = "", most: int = 3) -> LookAhead:
    """For the examination named and the ones that promise most; kept in a cache only, by the knowledge's version."""
    belief, reason, _ = belief_of(facts)
    if belief is None:
        return LookAhead(outside=reason)
    hits = examinations.match(wanted) if wanted else []
    first = hits[0].exam if len(hits) == 1 else None
    key = _key(facts, first, most)
    known = caches["shared"].get(key)
    if known is None:
        found = [ahead for exam in candidates(belief, first=first, most=most) if (ahead := look_ahead(belief, exam))]
        known = [asdict(ahead) for ahead in found]
        caches["shared"].set(key, known, timeout=KEPT_SECONDS)
    aheads = [_again(entry) for entry in known]
    return LookAhead(tuple((ahead, tuple(_track(moved) for moved in ahead.moved)) for ahead in aheads))


def _key(facts: Facts, first: str | None, most: int) -> str:
    about = [
        facts.group,
        facts.age_years,
        facts.sex,
        first,
        most,
        sorted((e.id, str(e.value)) for e in facts.evidence()),
    ]
    digest = hashlib.sha256(json.dumps(about).encode()).hexdigest()
    return f"look-ahead:{model().known.version}:{digest}"


def _again(entry: dict[str, Any]) -> Ahead:
    moved = tuple(Moved(one["condition"], one["now"], tuple(one["after"])) for one in entry["moved"])
    return Ahead(**{**entry, "moved": moved})


def _track(moved: Moved) -> Track:
    return Track(
        name=knowledge().conditions[moved.condition].name,
        now=moved.now,
        low=moved.low,
        high=moved.high,
        dots=tuple(p * WIDTH for p in moved.after),
        at=moved.now * WIDTH,
    )
