"""The text a language world model reads and writes: profile, then examinations, in the published grammar.

Grammar after DiagGym (arXiv 2510.24654): `PROFILE HEADING (Exam name / Exam results <SEP>)* <|endoftext|>`. Data that
looks like a label or a separator is escaped with a backslash; every other text stays byte for byte as published.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

SEPARATOR = "<SEP>"
END = "<|endoftext|>"
STOPS = (SEPARATOR, END, "<endoftext>")
"""The last is how the published client spells the end of text; the released model may have learned to write it."""
HEADING = "\nThe following summarizes the results from the patient's medical examination:\n"
_DIAGNOSIS = "\n\nFinal Diagnosis:\n"
_NAME = "Exam name:\n"
_RESULT = "\nExam results:\n"
# One backslash more for every run of backslashes (also none) in front of a reserved word: adding is undone by removing.
_TOKEN = re.compile(r"<(\\*)((?:SEP|endoftext|\|[^|<>\s]{1,64}\|)>)")
_ESCAPED_TOKEN = re.compile(r"<\\(\\*)((?:SEP|endoftext|\|[^|<>\s]{1,64}\|)>)")
_LABELS = "Exam name:|Exam results:|" + re.escape(HEADING.strip())
_LABEL = re.compile(rf"^(\\*)({_LABELS})", re.MULTILINE)
_ESCAPED_LABEL = re.compile(rf"^\\(\\*)({_LABELS})", re.MULTILINE)
_FINAL = re.compile(r"^(\\*)(Final Diagnosis:)", re.MULTILINE)
_ESCAPED_FINAL = re.compile(r"^\\(\\*)(Final Diagnosis:)", re.MULTILINE)


class Unserialisable(ValueError):
    """The data cannot be written in the grammar; `str()` says why."""


class Unparsable(ValueError):
    """The text is not a document of the grammar; `str()` says where it departs from it."""


class Kind(StrEnum):
    """What a stretch of a document is; a loss mask is made of these."""

    PROFILE = "profile"
    NAME = "name"
    RESULT = "result"
    SEPARATOR = "separator"


@dataclass(frozen=True, slots=True)
class Event:
    """One examination that was done: its name (one line) and its result."""

    name: str
    result: str


def profile(presentation: str, diagnosis: str) -> str:
    """What the world model is told of a patient: the presentation, and the diagnosis that the agent never sees."""
    return f"{_final(presentation.strip())}{_DIAGNOSIS}{_final(diagnosis)}"


def split_profile(text: str) -> tuple[str, str]:
    """Presentation and diagnosis of a `profile`; raises Unparsable where it has no diagnosis."""
    presentation, label, diagnosis = text.partition(_DIAGNOSIS)
    if not label:
        raise Unparsable("The profile names no final diagnosis.")
    return _ESCAPED_FINAL.sub(r"\1\2", presentation), _ESCAPED_FINAL.sub(r"\1\2", diagnosis)


def serialise(profile: str, events: Sequence[Event]) -> str:
    """The whole document, (profile, events in order) to text; `parse` is its exact inverse. Raises Unserialisable."""
    return "".join(text for text, _ in pieces(profile, events))


def pieces(profile: str, events: Sequence[Event]) -> list[tuple[str, Kind]]:
    """The document in stretches of one kind each; their texts join to `serialise`. The end of text is a SEPARATOR."""
    found = [(_escape(profile) + HEADING, Kind.PROFILE)]
    for event in events:
        found += [
            (_asked(event.name), Kind.NAME),
            (_escape(event.result), Kind.RESULT),
            (SEPARATOR, Kind.SEPARATOR),
        ]
    return [*found, (END, Kind.SEPARATOR)]


def query(profile: str, history: Sequence[Event], name: str) -> str:
    """The prompt for the result of one examination, up to and with `Exam results:` and its newline."""
    return serialise(profile, history).removesuffix(END) + _asked(name)


def fit(profile: str, history: Sequence[Event], name: str, count: Callable[[str], int], limit: int) -> str:
    """The query within `limit` tokens as `count` counts them: the oldest events go first, the profile never.

    Raises Unserialisable where profile and question alone are longer.
    """
    low, high = 0, len(history)
    while low < high:  # the fewest events to drop; a shorter history never has more tokens
        middle = (low + high) // 2
        if count(query(profile, history[middle:], name)) <= limit:
            high = middle
        else:
            low = middle + 1
    text = query(profile, history[low:], name)
    if count(text) > limit:
        raise Unserialisable(f"The patient's profile alone is longer than {limit} tokens.")
    return text


def parse(text: str) -> tuple[str, list[Event]]:
    """Profile and events of a document; raises Unparsable for anything that `serialise` cannot have written."""
    if not text.endswith(END):
        raise Unparsable(f"The document does not end with {END}.")
    told, heading, rest = text.removesuffix(END).partition(HEADING)
    if not heading:
        raise Unparsable("The heading between profile and examinations is missing.")
    return _unescape(told), list(_events(rest))


def result(text: str) -> str:
    """What a model wrote after a query, as plain data: up to the first stop, escapes undone, ends stripped."""
    for stop in STOPS:
        text = text.partition(stop)[0]
    return _ESCAPED_LABEL.sub(r"\1\2", _ESCAPED_TOKEN.sub(r"<\1\2", text)).strip()


def _events(text: str) -> Iterator[Event]:
    *written, tail = text.split(SEPARATOR)
    if tail:
        raise Unparsable(f"The last examination does not end with {SEPARATOR}.")
    for n, event in enumerate(written, 1):
        name, label, result = event.removeprefix(_NAME).partition(_RESULT)
        if not (event.startswith(_NAME) and label):
            raise Unparsable(f"Examination {n} has no name or no result.")
        if _unwritable(name):
            raise Unparsable(f"The name of examination {n} is not one line of text.")
        yield Event(_unescape(name), _unescape(result))


def _asked(name: str) -> str:
    if _unwritable(name):
        raise Unserialisable("The name of an examination is one line of text.")
    return f"{_NAME}{_escape(name)}{_RESULT}"


def _unwritable(name: str) -> bool:
    return "\n" in name or not name.strip()


def _final(text: str) -> str:
    return _FINAL.sub(r"\\\1\2", text)


def _escape(text: str) -> str:
    return _LABEL.sub(r"\\\1\2", _TOKEN.sub(r"<\\\1\2", text))


def _unescape(text: str) -> str:
    plain = _ESCAPED_LABEL.sub(r"\1\2", _ESCAPED_TOKEN.sub(r"<\1\2", text))
    if _escape(plain) != text:
        raise Unparsable("A label or separator stands unescaped inside a profile, name or result.")
    return plain
