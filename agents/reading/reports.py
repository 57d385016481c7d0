"""Reads a report of an examination as one of the catalogue's results of it: "consolidation at the right base"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from agents.knowledge.catalogue import Examination, ResultPattern, catalogue
from agents.reading.context import state_of
from agents.world.questions import words

ENOUGH = 0.6
"""Share of a known wording's words that a report must have in common with it."""
_NORMAL = re.compile(
    r"\b(?:normal|unremarkable|negative|no (?:\w+ )?(?:abnormalit(?:y|ies)|findings)|not detected|no growth|clear)\b",
    re.I,
)
_SENTENCE = re.compile(r"(?<=[.;])\s+|\n+")
_EMPTY = frozenset(words("the a an of in with and is are at to on or for seen shows there left right by"))


def result_of(exam: Examination, text: str) -> str | None:
    """The id of the result that a report says, its first (normal) one where it says so; None if not understood."""
    said = " ".join(words(text))
    whole = [(len(phrase), key) for phrase, key in _wordings(exam.id) if f" {phrase} " in f" {said} "]
    if whole:
        return max(whole)[1]
    named = _named(exam, text)
    if named:
        return named
    return exam.results[0].id if exam.results and _NORMAL.search(text) else None


def _named(exam: Examination, text: str) -> str | None:
    """The abnormal result whose wording or name a sentence shares most with, if it does not deny it."""
    best, key = ENOUGH, None
    for sentence in _SENTENCE.split(text):
        for pattern in exam.results[1:]:
            share = max((_share(wording, sentence) for wording in _names(pattern)), default=0.0)
            if share > best:
                best, key = share, pattern.id
    return key


def _share(wording: frozenset[str], sentence: str) -> float:
    told = words(sentence)
    hits = [n for n, word in enumerate(told) if word in wording]
    if not wording or not hits or state_of(told[: hits[0]], told[hits[-1] + 1 :]) != "present":
        return 0.0
    return len({told[n] for n in hits}) / len(wording)


@cache
def _names(pattern: ResultPattern) -> tuple[frozenset[str], ...]:
    texts = (pattern.id.replace("_", " "), *pattern.reports)
    return tuple(frozenset(words(text)) - _EMPTY for text in texts)


@cache
def _wordings(exam: str) -> tuple[tuple[str, str], ...]:
    return tuple(_spelled(catalogue().exams[exam]))


def _spelled(exam: Examination) -> Iterator[tuple[str, str]]:
    for pattern in exam.results:
        yield from ((" ".join(words(report)), pattern.id) for report in pattern.reports)
