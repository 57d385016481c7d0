"""Answers a question from the words of a recorded history, sentence by sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agents.types import CaseRecord
from agents.world.questions import understanding, words

MOST_SENTENCES = 3
WHOLE = {
    "drugs": "medication medicine drugs tablets prescription prescribed",
    "allergies": "allergy allergic",
    "family": "family relatives mother father parents siblings hereditary inherited",
}
"""Topics answered by their whole section first: what it does not name is then known not to be recorded."""
OTHERWISE = {
    "past": "past previous surgery surgeries operations illnesses hospitalised hospitalized chronic conditions",
    "social": "social occupation occupational work job lifestyle habits personal",
    "review": "review systems",
    "hpi": "onset begin began start started happened brings",
}
_STOP = frozenset(
    words(
        """a about all also an and any anything are as at been before being can could describe did do does ever
        experience experienced feel feeling for from get had has have how i if in is it kind know long many me more
        much my notice noticed of often on or other please recent recently since so symptom symptoms tell than that
        the there these they this to was were what when where which while who why will with would you your history
        patient"""
    )
)
_SENTENCE = re.compile(r"(?<=[.;!?])\s+|\n+")
_STEM = 4


class History:
    """An index over the sections of one record."""

    def __init__(self, record: CaseRecord) -> None:
        self._sections = {key: text for key, text in record.history.items() if text.strip()}
        told = {"complaint": record.complaint, **self._sections}
        split = (sentence.strip() for text in told.values() for sentence in _SENTENCE.split(text))
        self._sentences = [(sentence, frozenset(words(sentence))) for sentence in split if sentence]

    def answer(self, question: str) -> str:
        """What is recorded about it: a section, or at most three sentences; "" if nothing is."""
        asked = set(words(question)) - _STOP
        return self._section(question, WHOLE) or self._spoken(question, asked) or self._section(question, OTHERWISE)

    def _section(self, question: str, topics: dict[str, str]) -> str:
        asked = frozenset(words(question))
        named = [
            key
            for key, said in topics.items()
            if key in self._sections and any(_has(asked, word) for word in words(said))
        ]
        return " ".join(self._sections[key] for key in named)

    def _spoken(self, question: str, asked: set[str]) -> str:
        """The sentences that hold a phrase for a finding asked about; without one, half of the question's words."""
        phrases = list(_phrases(question))
        enough = len(asked) if phrases else (len(asked) + 1) // 2
        scores = [_score(told, asked, phrases, enough) for _, told in self._sentences]
        best = max(scores, default=0)
        if not best:
            return ""
        kept = [sentence for (sentence, _), score in zip(self._sentences, scores, strict=True) if score == best]
        return " ".join(dict.fromkeys(kept[:MOST_SENTENCES]))


def _score(told: frozenset[str], asked: set[str], phrases: list[frozenset[str]], enough: int) -> int:
    held = sum(all(_has(told, word) for word in phrase) for phrase in phrases)
    common = sum(_has(told, word) for word in asked)
    return 10 * held + (common if asked and common >= enough else 0)


def _has(told: frozenset[str], word: str) -> bool:
    """The word or another form of it: "smoke" and "smoker"."""
    if word in told:
        return True
    return len(word) >= _STEM and any(len(other) >= _STEM and _same_stem(other, word) for other in told)


def _same_stem(one: str, other: str) -> bool:
    shorter, longer = sorted((one, other), key=len)
    return longer.startswith(shorter) and len(longer) - len(shorter) <= 3


def _phrases(question: str) -> Iterator[frozenset[str]]:
    """Other words for the findings that are asked about, from the vocabulary."""
    known = understanding()
    for key in known.findings(question):
        finding = known.known.findings[key]
        for phrase in (finding.name, *finding.ask):
            tokens = frozenset(words(phrase)) - _STOP
            if tokens:
                yield tokens
