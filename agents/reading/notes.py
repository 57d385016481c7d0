"""Finds the vocabulary's findings in free text, each with its state and the words that say so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from agents.knowledge.conditions import Knowledge, vocabulary
from agents.knowledge.files import fail
from agents.knowledge.files import read as read_yaml
from agents.reading.context import State, state_of
from agents.world.questions import words

PHRASES = Path(__file__).parent / "phrases.yaml"
LONGEST = 20
SHORT = 3
"""A name of this many letters or fewer counts only in capitals: "PE" is one, "pe" may be anything."""
ALSO_SMALL = frozenset({"sob", "htn", "chf", "ckd", "hiv", "iud"})
_TOKEN = re.compile(r"[A-Za-z0-9']+")
_BREAK = re.compile(r"[.;!?\n]+(?=\s|$)|\n")


@dataclass(frozen=True, slots=True)
class Mention:
    """A finding in a text: `quote` is text[start:end]."""

    code: str
    name: str
    state: State
    start: int
    end: int
    quote: str


@dataclass(frozen=True, slots=True)
class _Word:
    stem: str
    plain: str
    start: int
    end: int
    capital: bool


def read(text: str) -> tuple[Mention, ...]:
    """Every mention in the order of the text; one place may name several findings; a relative's are left out."""
    return tuple(mention for sentence in _sentences(text) for mention in _mentions(sentence, text))


def coded(mentions: Iterable[Mention]) -> dict[str, Mention]:
    """One mention a finding: what is said to be present somewhere outweighs "absent", and both outweigh "unknown"."""
    rank = {"present": 2, "absent": 1, "unknown": 0}
    best: dict[str, Mention] = {}
    for mention in mentions:
        if mention.code not in best or rank[mention.state] > rank[best[mention.code].state]:
            best[mention.code] = mention
    return best


def _sentences(text: str) -> Iterator[list[_Word]]:
    start = 0
    for end in [*(found.end() for found in _BREAK.finditer(text)), len(text)]:
        found = [_word(match) for match in _TOKEN.finditer(text, start, end)]
        if found:
            yield found
        start = end


def _word(found: re.Match[str]) -> _Word:
    plain = found[0]
    stems = words(plain)
    return _Word(stems[0] if stems else plain.lower(), plain.lower(), found.start(), found.end(), plain.isupper())


def _mentions(sentence: list[_Word], text: str) -> Iterator[Mention]:
    n = 0
    while n < len(sentence):
        codes, size = _longest(sentence, n)
        if codes:
            before = [word.plain for word in sentence[:n]]
            state = state_of(before, [word.plain for word in sentence[n + size : n + size + 3]])
            start, end = sentence[n].start, sentence[n + size - 1].end
            for code in codes if state else ():
                yield Mention(code, _index().names[code], state or "unknown", start, end, text[start:end])
        n += size


def _longest(sentence: list[_Word], start: int) -> tuple[tuple[str, ...], int]:
    for size in range(min(LONGEST, len(sentence) - start), 0, -1):
        part = sentence[start : start + size]
        codes = _index().phrases.get(tuple(word.stem for word in part))
        if codes and not _too_short(part):
            return codes, size
    return (), 1


def _too_short(part: list[_Word]) -> bool:
    only = part[0]
    return len(part) == 1 and len(only.plain) <= SHORT and not only.capital and only.plain not in ALSO_SMALL


@dataclass(frozen=True, slots=True)
class _Index:
    phrases: dict[tuple[str, ...], tuple[str, ...]]
    names: dict[str, str]


@cache
def _index() -> _Index:
    known = vocabulary()
    phrases: dict[tuple[str, ...], tuple[str, ...]] = {}
    for code, phrase in _phrases(known):
        key = tuple(words(phrase))
        if key:
            phrases[key] = tuple(dict.fromkeys((*phrases.get(key, ()), code)))
    return _Index(phrases, {finding.id: finding.name for finding in known.findings.values()})


def _phrases(known: Knowledge) -> Iterator[tuple[str, str]]:
    for finding in known.findings.values():
        yield from ((finding.id, phrase) for phrase in (finding.name, *finding.says))
    for code, told in read_yaml(PHRASES).items():
        if code not in known.findings:
            raise fail(PHRASES, [code], f"unknown finding {code!r}")
        yield from ((code, phrase) for phrase in told)
