"""What a consultation has asked for already, by whatever exact name it is asked for again.

Anything that the names of the catalogue leave over makes it another request: a side, a time, "repeat", "second". What
was asked for and not done counts as asked for: to ask at once again would bring as little.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from agents import examinations
from agents.codecs.base import Codec
from agents.types import Action, ActionKind, Exchange, MalformedAction

EXACT = frozenset({"name", "synonym", "set"})
"""How a request was read for sure (agents.examinations): neither by a typing error nor by words in another order."""
JOINING = Counter(dict.fromkeys(("a", "an", "and", "of", "please", "plus", "the"), 99))


@dataclass(frozen=True, slots=True)
class Known:
    """What earlier turns asked for: examinations of the catalogue by id, and every target by its words."""

    exams: frozenset[str] = frozenset()
    words: frozenset[tuple[str, ...]] = frozenset()

    @classmethod
    def of(cls, exchanges: Iterable[Exchange], codec: Codec) -> Self:
        """An answer that could not be read asked for nothing."""
        asked = [action for exchange in exchanges if (action := _action(exchange.said, codec))]
        examined = [action.target for action in asked if action.kind is ActionKind.EXAMINE]
        exams = frozenset(hit.exam for target in examined for hit in _exact(target))
        return cls(exams, frozenset(_words(action.target) for action in asked))

    def has(self, kind: str, target: str) -> bool:
        """Whether all that is asked for was asked for before, by itself or within a panel."""
        words = _words(target)
        if kind not in (ActionKind.ASK, ActionKind.EXAMINE):
            return False
        if words in self.words:
            return True
        hits = _exact(target) if kind == ActionKind.EXAMINE else []
        named = Counter(word for text in {hit.text for hit in hits} for word in _words(text))
        if not hits or Counter(words) - named - JOINING:
            return False
        return all(any(examinations.covers(done, hit.exam) for done in self.exams) for hit in hits)


def _exact(target: str) -> list[examinations.ExamMatch]:
    return [hit for hit in examinations.match(target) if hit.via in EXACT]


def _action(said: str, codec: Codec) -> Action | None:
    try:
        action = codec.parse(said)
    except MalformedAction:
        return None
    return None if action.kind.is_final else action


def _words(target: str) -> tuple[str, ...]:
    return tuple(examinations.normalise(target))
