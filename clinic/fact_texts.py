"""Facts in words: a virtual patient's sentences, reports of examinations, and whatever agents.reading finds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

from agents.examinations import match
from agents.knowledge.catalogue import Examination, catalogue
from agents.knowledge.conditions import knowledge
from agents.knowledge.safety import Fact, mentions
from agents.reading import coded, measurements, read
from clinic.measures import SURE

_SENTENCE = re.compile(r"(?<=[.;!?])\s+|\n+")
_VERDICT = re.compile(r"\b(positive|negative|detected)\b", re.I)


@dataclass(frozen=True, slots=True)
class Read:
    """A finding (`kind` finding, bool or None for unsure), a value (float) or a result (its id), and its words."""

    kind: str
    id: str
    name: str
    value: Fact | None
    quote: str


@lru_cache(maxsize=2048)
def read_text(text: str, examination: str = "") -> tuple[Read, ...]:
    """Everything that a text says; `examination` names the one it is the result of. Later sentences come last."""
    return (*_mentioned(text), *_spoken(text), *_measured(text), *_reported(text, examination), *_verdicts(text))


@lru_cache(maxsize=1024)
def complaint_groups(complaint: str, group: str = "", story: str = "") -> tuple[str, ...]:
    """The complaints of the knowledge that a case comes with, the leading one first; empty outside of it.

    Where the complaint itself names none, the story behind it may.
    """
    groups = knowledge().groups
    found = [group] if group in groups else []
    lower = complaint.lower()
    told = {mention.code: mention.start for mention in reversed(read(complaint)) if mention.state == "present"}
    told |= dict(_named_groups(lower))
    ranked = [(told[key], g.id) for g in groups.values() for key in (*g.presents_with, g.id) if key in told]
    named = tuple(dict.fromkeys([*found, *(key for _, key in sorted(ranked))]))
    return named if named or not story else complaint_groups(story)[:1]


def _named_groups(complaint: str) -> Iterator[tuple[str, int]]:
    """By the words of a complaint's own name: "Weakness, numbness, confusion or fit" is four of them."""
    for group in knowledge().groups.values():
        for part in re.split(r", | or ", group.name.lower()):
            if mentions(complaint, part):
                yield group.id, complaint.find(part)


def _mentioned(text: str) -> Iterator[Read]:
    """Findings of the vocabulary, in the sentence that mentions them."""
    states = {"present": True, "absent": False, "unknown": None}
    for mention in coded(read(text)).values():
        yield Read("finding", mention.code, mention.name, states[mention.state], _around(text, mention.start))


def _measured(text: str) -> Iterator[Read]:
    for found in measurements(text):
        yield Read("value", found.exam, found.name, found.value, found.quote)


def _around(text: str, place: int) -> str:
    """The sentence in which this place lies."""
    start = 0
    for found in _SENTENCE.finditer(text):
        if found.start() > place:
            return text[start : found.start()].strip()
        start = found.end()
    return text[start:].strip()


def _spoken(text: str) -> Iterator[Read]:
    """Sentences that the virtual clinic says, word for word."""
    for sentence in _SENTENCE.split(text):
        said = _plain(sentence.rpartition(": ")[2])
        for key, present in _sayings().get(said, ()):
            yield Read("finding", key, knowledge().findings[key].name, present, sentence.strip())


@cache
def _sayings() -> dict[str, list[tuple[str, bool]]]:
    found: dict[str, list[tuple[str, bool]]] = {}
    for finding in knowledge().findings.values():
        for words in finding.says:
            found.setdefault(_plain(words), []).append((finding.id, True))
        found.setdefault(_plain(finding.denies), []).append((finding.id, False))
    # A sentence that two findings share says neither for certain.
    return {said: facts for said, facts in found.items() if len(facts) == 1}


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9']+", text.lower()))


def _reported(text: str, examination: str) -> Iterator[Read]:
    """Categorical results in the catalogue's own wording, or by the result's own name."""
    for line in text.splitlines() or [""]:
        label, colon, rest = line.partition(": ")
        named = _leaves(label) if colon and len(label) <= 60 else ()
        for exam in named or _leaves(examination):
            result = result_in(exam, rest if named else line)
            if result:
                yield Read("result", exam.id, exam.name, result, line.strip())


@lru_cache(maxsize=512)
def _leaves(name: str) -> tuple[Examination, ...]:
    """The categorical examinations that a name stands for."""
    hits = [hit.exam for hit in match(name) if hit.score >= SURE] if name else []
    leaves = [leaf for exam in hits for leaf in catalogue().leaves(exam)]
    return tuple(catalogue().exams[leaf] for leaf in dict.fromkeys(leaves) if catalogue().exams[leaf].results)


def result_in(exam: Examination, text: str) -> str | None:
    """The one result of an examination that a report states, or None where it states none or several."""
    lower = text.lower()
    worded = [p.id for p in exam.results if any(words.lower().rstrip(".") in lower for words in p.reports)]
    if worded:
        return worded[-1] if len(set(worded)) == 1 else None
    named = [p.id for p in exam.results if mentions(lower, p.id.replace("_", " "))]
    return named[0] if len(named) == 1 else None


def _verdicts(text: str) -> Iterator[Read]:
    """ "Urine hCG positive" anywhere in a text."""
    for sentence in _SENTENCE.split(text):
        if _VERDICT.search(sentence) and len(sentence) < 200:
            for clause in re.split(r",| and | but ", sentence):
                for exam in _leaves(_VERDICT.sub("", clause).strip(" .:")) if _VERDICT.search(clause) else ():
                    result = result_in(exam, clause)
                    if result:
                        yield Read("result", exam.id, exam.name, result, sentence.strip())
