"""One key for a diagnosis however it is written: the knowledge's condition, or the folded name outside of it."""

from __future__ import annotations

from functools import lru_cache

from agents.knowledge.conditions import knowledge
from agents.matching import ontology

LONGEST = 200


@lru_cache(maxsize=4096)
def keyed(name: str) -> tuple[str, str]:
    """(key, the name to show). A model may write the same diagnosis in another way at every turn."""
    found = ontology().resolve(name)
    if found:
        return found.condition, knowledge().conditions[found.condition].name
    return " ".join(name.casefold().split())[:LONGEST], name.strip()[:LONGEST]


def condition_of(name: str) -> str | None:
    """The knowledge's condition, or None outside of it."""
    key, _ = keyed(name)
    return key if key in knowledge().conditions else None
