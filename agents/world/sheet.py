"""The recorded results of a case, found by what was asked: the same examination, a part of a panel, or its parts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from rapidfuzz import fuzz

from agents import examinations
from agents.examinations import covers
from agents.knowledge.catalogue import catalogue
from agents.types import RecordedResult, Value

SURE = 0.9
"""Matches below this are corrected typing errors: good for a request, too weak to say what a record contains."""
ALIKE = 88.0
_WORDLESS = frozenset(
    """a an the of for to in on with please order get check perform do repeat request obtain test tests testing
    exam examination study studies level levels analysis evaluation assessment physical""".split()  # noqa: SIM905
)
_TISSUE = frozenset(("biopsy", "histology", "histopathology", "cytology", "fnac", "aspiration", "pathology"))
_SENTENCE = re.compile(r"(?<=[.;])\s+(?=\S)|\n")


@dataclass(frozen=True, slots=True)
class Piece:
    """What one recorded result says about an examination: all of it (`whole`), or the lines that concern it."""

    name: str
    text: str
    values: tuple[Value, ...]
    whole: bool
    order: int


class Sheet:
    """An index over recorded results."""

    def __init__(self, results: Sequence[RecordedResult]) -> None:
        self._entries = [_Entry(result) for result in sorted(results, key=lambda result: result.order)]

    def by_name(self, request: str) -> list[RecordedResult]:
        """Results whose own name is what was asked, or is like it where the catalogue does not know the request."""
        asked = _bag(request)
        if not asked:
            return []
        same = [entry.result for entry in self._entries if entry.bag == asked]
        if same or any(hit.score >= SURE for hit in examinations.match(request)):
            return same
        return [entry.result for entry in self._entries if _alike(asked, entry.bag)]

    def pieces(self, exam: str) -> list[Piece]:
        """Everything recorded about an examination of the catalogue, in the record's order; empty if nothing is."""
        same = [entry.whole() for entry in self._entries if entry.exam == exam]
        parts = [
            entry.whole() for entry in self._entries if entry.exam not in (None, exam) and covers(exam, entry.exam)
        ]
        if same or parts:
            return sorted([*same, *parts], key=lambda piece: piece.order)
        found = (entry.part(exam) for entry in self._entries if entry.may_contain(exam))
        return [piece for piece in found if piece]


class _Entry:
    """One recorded result and what it is known to be about."""

    def __init__(self, result: RecordedResult) -> None:
        self.result = result
        self.bag = _bag(result.examination)
        hits = [hit for hit in examinations.match(result.examination) if hit.score >= SURE]
        self.exam = hits[0].exam if len(hits) == 1 else None
        # "Biopsy: lymph node" is no examination of lymph nodes.
        self._other = len(hits) == 1 and bool(_TISSUE & (self.bag - _bag(hits[0].text)))
        if self._other:
            self.exam = None

    @cached_property
    def lines(self) -> list[tuple[str, frozenset[str]]]:
        """Each line or sentence with the examinations it names."""
        return [(line.strip(), _named(line)) for line in _SENTENCE.split(self.result.text) if line.strip()]

    def whole(self) -> Piece:
        return Piece(self.result.examination, self.result.text, self.result.values, True, self.result.order)

    def may_contain(self, exam: str) -> bool:
        """A panel around it, or a text that is about no single examination."""
        return not self._other and (self.exam is None or covers(self.exam, exam))

    def part(self, exam: str) -> Piece | None:
        """The lines about it. A physical examination written as one note is given whole."""
        lines = [line for line, named in self.lines if any(covers(one, exam) or covers(exam, one) for one in named)]
        if lines:
            values = tuple(value for value in self.result.values if covers(exam, value.code))
            return Piece(self.result.examination, "\n".join(lines), values, False, self.result.order)
        if self.exam == "physical_examination" and not self._is_one_part() and not _measured(exam):
            return self.whole()
        return None

    def _is_one_part(self) -> bool:
        """ "Physical examination: hand" is about the hand only."""
        return ":" in self.result.examination


def _measured(exam: str) -> bool:
    """Vital signs and their like are numbers: a note without them does not answer."""
    leaves = (examinations.find(leaf) for leaf in catalogue().leaves(exam))
    return all(leaf and leaf.analyte for leaf in leaves)


def _named(line: str) -> frozenset[str]:
    """The examinations a line is about: by its label "Name: …" if it has one that is known, else by its words."""
    label, colon, _ = line.partition(":")
    hits = examinations.match(label) if colon and len(label) <= 60 else []
    hits = hits or examinations.match(line)
    return frozenset(hit.exam for hit in hits if hit.score >= SURE)


def _bag(text: str) -> frozenset[str]:
    return frozenset(_words(text))


def _words(text: str) -> Iterator[str]:
    return (word for word in examinations.normalise(text) if word not in _WORDLESS)


def _alike(asked: frozenset[str], name: frozenset[str]) -> bool:
    """All words of the shorter in the longer and at least half of its words, or nearly the same spelling."""
    if not name:
        return False
    shorter, longer = sorted((asked, name), key=len)
    if shorter <= longer and 2 * len(shorter) >= len(longer):
        return True
    return fuzz.ratio(" ".join(sorted(asked)), " ".join(sorted(name))) >= ALIKE
