"""What a consultation has asked for already, by whatever name it is asked for again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from agents import examinations
from agents.codecs.base import Codec
from agents.types import Action, ActionKind, Exchange, MalformedAction

MEANT = frozenset({"repeat", "again", "serial", "recheck"})
"""Words that say that a repetition is meant."""


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
        exams = frozenset(hit.exam for target in examined for hit in examinations.match(target))
        return cls(exams, frozenset(_words(action.target) for action in asked))

    def has(self, kind: str, target: str) -> bool:
        """Whether all that is asked for was asked for before, by itself or within a panel."""
        words = _words(target)
        if kind not in (ActionKind.ASK, ActionKind.EXAMINE) or MEANT & {*words}:
            return False
        hits = examinations.match(target) if kind == ActionKind.EXAMINE else []
        asked = [any(examinations.covers(done, hit.exam) for done in self.exams) for hit in hits]
        return words in self.words or (bool(asked) and all(asked))


def _action(said: str, codec: Codec) -> Action | None:
    try:
        action = codec.parse(said)
    except MalformedAction:
        return None
    return None if action.kind.is_final else action


def _words(target: str) -> tuple[str, ...]:
    return tuple(examinations.normalise(target))
