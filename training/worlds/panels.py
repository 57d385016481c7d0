"""Single laboratory items of one time as the panels that they were ordered in, by the catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from agents.knowledge.catalogue import catalogue
from agents.world.grammar import Event
from training.worlds import style

FEWEST = 2
SHARE = 1 / 3
"""Part of a panel that must have been measured for it to count as ordered."""


@dataclass(frozen=True, slots=True)
class Item:
    name: str
    text: str
    exam: str | None
    """Id in the catalogue, None where it is not known."""


def grouped(items: Sequence[Item], taken: frozenset[str] = frozenset()) -> Iterator[Event]:
    """Panels at the place of their first item, other items as they are; `taken` names are not given again."""
    panel_of = _panels([item.exam for item in items if item.exam and "\n" not in item.text], taken)
    done: set[str] = set()
    for item in items:
        panel = panel_of.get(item.exam or "")
        if panel is None or "\n" in item.text:
            yield Event(_name(item), item.text)
        elif panel not in done:
            done.add(panel)
            parts = [one for one in items if panel_of.get(one.exam or "") == panel and "\n" not in one.text]
            yield Event(catalogue().exams[panel].name, style.panel((_name(part), part.text) for part in parts))


def _panels(present: Sequence[str], taken: frozenset[str]) -> dict[str, str]:
    """The panel of each item that belongs to one, the fullest panel first."""
    left, found = set(present), dict[str, str]()
    free = {key: leaves for key, leaves in laboratory().items() if catalogue().exams[key].name not in taken}
    while full := {key: leaves for key, leaves in free.items() if _ordered(leaves & left, leaves)}:
        panel = max(full, key=lambda key: (len(full[key] & left) / len(full[key]), len(full[key]), key))
        found.update(dict.fromkeys(full[panel] & left, panel))
        left -= free.pop(panel)
    return found


def _ordered(inside: frozenset[str], leaves: frozenset[str]) -> bool:
    return len(inside) >= FEWEST and len(inside) >= SHARE * len(leaves)


@cache
def laboratory() -> dict[str, frozenset[str]]:
    """Laboratory panels of single items, with the items."""
    known = catalogue()
    exams = (exam for exam in known.exams.values() if exam.kind == "laboratory" and exam.parts)
    return {exam.id: frozenset(exam.parts) for exam in exams if set(exam.parts) == set(known.leaves(exam.id))}


def _name(item: Item) -> str:
    """The catalogue's name, so that the same examination has one name in every source."""
    return catalogue().exams[item.exam].name if item.exam else item.name
