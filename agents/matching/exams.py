"""Agreement of ordered examinations with reference ones, as pairs of names.

Unlike two counts of a judge (arXiv 2510.24654, Eq. 12-13), pairs can be read, never exceed a list, and count a repeat
once. A panel and its parts are related; parts of one reference panel, ordered one by one, are one order of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agents import examinations
from agents.knowledge.catalogue import Catalogue, catalogue
from agents.matching.names import key, tokens

SURE = 0.84
"""A reading of a request below this score of agents.examinations is kept as free text instead."""


@dataclass(frozen=True, slots=True)
class ExamAgreement:
    """Pairs (asked, reference) of catalogue ids or, outside the catalogue, of free-text keys; all numbers in 0..1."""

    pairs: tuple[tuple[str, str], ...]
    asked: tuple[str, ...]
    reference: tuple[str, ...]

    @property
    def precision(self) -> float:
        """Share of what was asked that is related to the reference; both lists empty 1, one of them 0."""
        return _share(len({asked for asked, _ in self.pairs}), len(self.asked), len(self.reference))

    @property
    def recall(self) -> float:
        return _share(len({reference for _, reference in self.pairs}), len(self.reference), len(self.asked))

    @property
    def f1(self) -> float:
        return harmonic(self.precision, self.recall)


def match_examinations(
    asked: Iterable[str],
    reference: Iterable[str],
    *,
    known: Catalogue | None = None,
    judged: Iterable[tuple[str, str]] = (),
) -> ExamAgreement:
    """Agreement of two lists of requests (free text, catalogue names or ids).

    `judged` are further pairs that a judge found between items the catalogue does not know; a pair with an item
    that is in neither list is ignored.
    """
    known = known or catalogue()
    wanted = read(reference, known)
    said = _collapsed(read(asked, known), wanted, known)
    pairs = [(a, r) for a in said for r in wanted if related(a, r, known)]
    pairs += [(a, r) for a, r in judged if a in said and r in wanted and (a, r) not in pairs]
    return ExamAgreement(tuple(pairs), tuple(said), tuple(wanted))


def read(requests: Iterable[str], known: Catalogue | None = None) -> list[str]:
    """Catalogue ids of the examinations asked for, in order, without repeats; unknown ones as `text:` keys."""
    known = known or catalogue()
    found: list[str] = []
    for request in requests:
        found += _ids(request, known)
    return list(dict.fromkeys(found))


def related(one: str, other: str, known: Catalogue | None = None) -> bool:
    """Whether two items of `read` are the same or a panel and its part."""
    known = known or catalogue()
    if one not in known.exams or other not in known.exams:
        return one == other
    return known.covers(one, other) or known.covers(other, one)


def judge_count_compat(found_asked: int, asked: int, found_reference: int, reference: int) -> tuple[float, float]:
    """(precision, recall) from a judge's two counts as the published reward takes them, each clamped to its list."""
    precision = _share(min(max(found_asked, 0), asked), asked, reference)
    return precision, _share(min(max(found_reference, 0), reference), reference, asked)


def harmonic(precision: float, recall: float) -> float:
    """2pr/(p+r), 0 where both are 0."""
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _ids(request: str, known: Catalogue) -> Sequence[str]:
    if request in known.exams:
        return [request]
    hits = [hit.exam for hit in examinations.match(request, known=known) if hit.score >= SURE]
    spelling = key(tokens(request))
    return hits or ([f"text:{spelling}"] if spelling else [])


def _collapsed(asked: list[str], reference: list[str], known: Catalogue) -> list[str]:
    """Without parts of a panel that was asked too, and the second and later parts of one reference panel."""
    asked = [item for item in asked if not any(o != item and _part_of(item, o, known) for o in asked)]
    panels = [r for r in reference if r in known.exams and r not in asked]
    first: dict[str, str] = {}
    kept = []
    for item in asked:
        panel = next((p for p in panels if _part_of(item, p, known)), None)
        if panel is None or item in reference:
            kept.append(item)
        elif panel not in first:
            first[panel] = item
            kept.append(item)
    return kept


def _part_of(item: str, panel: str, known: Catalogue) -> bool:
    return item in known.exams and panel in known.exams and known.covers(panel, item)


def _share(part: int, whole: int, other: int) -> float:
    if whole:
        return part / whole
    return 0.0 if other else 1.0
