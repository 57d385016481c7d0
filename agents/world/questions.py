"""Understands a question to a patient: which findings of the vocabulary it asks about."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from rapidfuzz import fuzz, process

from agents.knowledge.conditions import Finding, Knowledge, knowledge

LONGEST = 5
TYPO_CUTOFF = 88.0
TOPICS: dict[str, tuple[str, ...]] = {
    "past": ("medical history", "past history", "past medical", "other illnesses", "health problems", "conditions"),
    "drugs": ("medication", "medications", "medicines", "drugs do you take", "tablets", "prescriptions"),
    "family": ("family history", "run in the family", "runs in your family", "relatives"),
    "habits": ("social history", "lifestyle", "habits"),
    "exposure": ("exposures", "exposed", "exposure history"),
}
OPEN: tuple[str, ...] = (
    "anything else", "other symptoms", "tell me more", "what brings you", "what happened", "any symptoms",
    "associated symptoms", "describe your symptoms", "how are you feeling", "what seems to be",
)  # fmt: skip
_WORD = re.compile(r"[a-z0-9']+")
_SUFFIXES = ("ing", "ies", "es", "ed", "s")


def words(text: str) -> list[str]:
    """Lower-case words, lightly stemmed, in one spelling."""
    text = text.lower().replace("’", "'").replace("-", " ")
    for british, american in (("oea", "ea"), ("haem", "hem"), ("aem", "em"), ("oed", "ed"), ("colour", "color")):
        text = text.replace(british, american)
    return [_stem(word) for word in _WORD.findall(text)]


def _stem(word: str) -> str:
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 4:
            return word[: -len(suffix)]
    return word


class Understanding:
    """The index of phrases; `findings` maps a question to finding ids, in the order of the question."""

    def __init__(self, known: Knowledge) -> None:
        self.known = known
        self.phrases: dict[tuple[str, ...], list[str]] = {}
        told = [finding for finding in known.findings.values() if finding.kind != "sign"]
        for finding in told:
            for phrase in _phrases(finding):
                self.phrases.setdefault(tuple(words(phrase)), []).append(finding.id)
        self.single = {phrase[0]: phrase for phrase in self.phrases if len(phrase) == 1 and len(phrase[0]) > 4}

    def findings(self, question: str) -> list[str]:
        """The findings asked about; a whole topic ("family history") is all of its findings."""
        text = " ".join(words(question))
        found = [key for topic in self._topics(text) for key in self._of_topic(topic)]
        if not found:
            found = list(self._scan(words(question)))
        return list(dict.fromkeys(found))

    def is_open(self, question: str) -> bool:
        """Whether it asks for whatever the patient wants to tell."""
        text = " ".join(words(question))
        return any(" ".join(words(phrase)) in text for phrase in OPEN)

    def _topics(self, text: str) -> list[str]:
        return [t for t, phrases in TOPICS.items() if any(" ".join(words(p)) in text for p in phrases)]

    def _of_topic(self, topic: str) -> list[str]:
        return [f.id for f in self.known.findings.values() if f.kind == "history" and f.category == topic]

    def _scan(self, tokens: list[str]) -> Iterable[str]:
        n = 0
        while n < len(tokens):
            hits, size = self._longest(tokens, n)
            yield from hits
            n += size

    def _longest(self, tokens: list[str], start: int) -> tuple[list[str], int]:
        for size in range(min(LONGEST, len(tokens) - start), 0, -1):
            hits = self.phrases.get(tuple(tokens[start : start + size]))
            if hits:
                return hits, size
        word = tokens[start]
        if len(word) > 4:
            near = process.extractOne(word, self.single, scorer=fuzz.ratio, score_cutoff=TYPO_CUTOFF)
            if near:
                return self.phrases[self.single[near[2]]], 1
        return [], 1


def _phrases(finding: Finding) -> tuple[str, ...]:
    return (finding.name, finding.id.replace("_", " "), *finding.ask)


@cache
def understanding() -> Understanding:
    """The index over the shipped vocabulary."""
    return Understanding(knowledge())
