"""Reads a result's text as numbers and sentences, in the spelling of the virtual clinic, of records and of MIMIC."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

from agents import examinations
from agents.examinations import normalise
from agents.knowledge.catalogue import Analyte, Examination, catalogue
from agents.knowledge.conditions import knowledge

_NAME = r"(?:(?P<name>[A-Za-z][^:;\n]{0,70}?)\s*:\s+)?"
_NUMBER = r"[<>≤≥]?\s*(?P<number>-?\d{1,3}(?:,\d{3})+(?:\.\d+)?|-?\d+(?:\.\d+)?)"
_UNIT = r"(?P<unit>10\*\d+/\w+|%\s?predicted|[^\s\d(;,.:+\-–][^\s(;,]*)?"
_RANGE = r"(?:\s*[(\[](?P<low>-?\d+(?:\.\d+)?)\s*[-–]\s*(?P<high>-?\d+(?:\.\d+)?)[)\]])?"
_FLAG = r"(?:\s+\(?(?P<flag>LL|HH|L|H|low|high|normal)\)?)?"
_OURS = re.compile(rf"^{_NAME}{_NUMBER}\s*{_UNIT}{_RANGE}{_FLAG}\s*\.?$")
_MIMIC = re.compile(
    rf"^{_NAME}Value:\s*(?P<value>[^;]*?)\s*;\s*Numeric Value:\s*{_NUMBER}"
    r"\s*(?:;\s*Units:\s*(?P<unit>[^;]*?))?\s*(?:;\s*Reference Range:\s*(?P<low>-?[\d.]+)\s*-\s*(?P<high>-?[\d.]+))?"
    r"\s*(?:;.*)?$",
    re.I,
)
_LOOSE = re.compile(
    rf"^(?P<name>[A-Za-z][A-Za-z0-9 .\-/]*?)\s*(?:is|was|of|=|:)?\s+{_NUMBER}\s*{_UNIT}{_RANGE}{_FLAG}\s*\.?$", re.I
)
_PRESSURE = re.compile(r"^(?:[^:\n]{1,40}:\s*)?(\d{2,3})\s*/\s*(\d{2,3})\s*(?:mm\s?\[?Hg\]?)?\.?$", re.I)
_SECTION = re.compile(r"^(?P<name>[A-Z][^:.\n]{0,60}):\s*(?P<rest>.*)$", re.S)
_STOP = re.compile(r"(?<=[.;!?])\s+")
_NEGATION = re.compile(
    r"\b(no|not|without|negative|absent|normal|denies|denied|clear|unremarkable|neither|nor|free of|excluded?|none)\b",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number of a result as written. `exam` is its id in the catalogue, None where the name is not known."""

    name: str
    exam: str | None
    value: float
    unit: str = ""
    low: float | None = None
    high: float | None = None
    flag: str = ""
    flags: bool = False
    """Whether this spelling marks abnormal values, so that no flag says normal."""

    @property
    def key(self) -> str:
        """What identifies the sub-test: the catalogue's id, or its own name in lower case."""
        return self.exam or " ".join(normalise(self.name))

    @property
    def stated(self) -> str:
        """-, 0 or + by its own reference interval, "" where it has none."""
        if self.low is None or self.high is None:
            return ""
        return "-" if self.value < self.low else "+" if self.value > self.high else "0"


@dataclass(frozen=True)
class Reading:
    """A result taken apart: its numbers, and the sentences that are none, each under the part it stands in."""

    quantities: tuple[Quantity, ...]
    sentences: tuple[tuple[str, str], ...]
    """(name of the part, sentence)."""

    @cached_property
    def by_key(self) -> dict[str, Quantity]:
        return {quantity.key: quantity for quantity in self.quantities}

    @cached_property
    def facts(self) -> dict[str, bool | str]:
        """What the sentences say in the words of the knowledge: signs as bools, categorical results by their id."""
        found: dict[str, bool | str] = {}
        for part, text in _reports(self.sentences):
            pattern = pattern_of(part, text)
            if pattern:
                found[pattern[0]] = pattern[1]
        for part, sentence in self.sentences:
            sign = sign_of(part, sentence)
            if sign:
                found[sign[0]] = sign[1]
        return found


@lru_cache(maxsize=4096)
def read(examination: str, text: str) -> Reading:
    """The numbers and sentences of one result; never raises: what is not understood is a sentence."""
    quantities: list[Quantity] = []
    sentences: list[tuple[str, str]] = []
    for line in (line.strip() for line in text.splitlines()):
        found = tuple(_quantities(examination, line))
        quantities.extend(found)
        if not found and line and not line.endswith(":"):
            sentences.extend(_sentences(examination, line))
    return Reading(tuple(quantities), tuple(sentences))


def exam_id(name: str) -> str | None:
    """The catalogue id of a name as written; None unless it is exactly one examination's."""
    return _names().get(tuple(normalise(name)))


def asked(examination: str) -> Examination | None:
    """The catalogue's entry for the examination that was requested, None where it is unknown or several."""
    exact = exam_id(examination)
    if exact is None:
        hits = [hit for hit in _matched(examination) if hit.score >= 0.9]
        exact = hits[0].exam if len(hits) == 1 else None
    return catalogue().exams[exact] if exact else None


def analyte(exam: str | None) -> Analyte | None:
    entry = catalogue().exams.get(exam) if exam else None
    return entry.analyte if entry else None


def negated(sentence: str) -> bool:
    """Whether a sentence says that something is absent."""
    return bool(_NEGATION.search(sentence))


def pattern_of(part: str, text: str) -> tuple[str, str] | None:
    """(examination, id of the categorical result) that a report is a known wording of."""
    entry = asked(part)
    if entry is None:
        return None
    for leaf in catalogue().leaves(entry.id):
        found = _wordings().get((leaf, _plain(text)))
        if found:
            return leaf, found
    return None


def sign_of(part: str, sentence: str) -> tuple[str, bool] | None:
    """(finding, present) that a sentence of a physical examination is a known wording of."""
    return _signs().get(_plain(sentence))


def _quantities(examination: str, line: str) -> Iterator[Quantity]:
    pressure = _PRESSURE.match(line)
    if pressure:
        yield Quantity("Systolic blood pressure", "systolic_bp", float(pressure[1]), "mmHg")
        yield Quantity("Diastolic blood pressure", "diastolic_bp", float(pressure[2]), "mmHg")
        return
    found = _MIMIC.match(line) or _OURS.match(line)
    if found:
        yield _quantity(examination, found.groupdict(), flags=found.re is _OURS)
        return
    # A record's free line ("Hb 13.2 g/dL, platelets 250"): nothing but names that the catalogue knows.
    clauses = [_LOOSE.match(clause.strip()) for clause in re.split(r"[,;]\s+", line)]
    if all(clause and analyte(exam_id(clause["name"])) for clause in clauses):
        yield from (_quantity(examination, clause.groupdict()) for clause in clauses if clause)


def _quantity(examination: str, parts: dict[str, str | None], *, flags: bool = False) -> Quantity:
    name = parts["name"] or examination
    number = float((parts["number"] or "").replace(",", ""))
    low, high = (float(parts[key] or 0) if parts[key] else None for key in ("low", "high"))
    said = (parts.get("flag") or "").lower()
    flag = {"low": "L", "high": "H", "normal": ""}.get(said, said.upper())
    exam = exam_id(name)
    return Quantity(
        name, exam if analyte(exam) else None, number, (parts["unit"] or "").strip(), low, high, flag, flags
    )


def _sentences(examination: str, line: str) -> Iterator[tuple[str, str]]:
    section = _SECTION.match(line)
    known = bool(section) and exam_id(section["name"]) is not None  # type: ignore[index]
    part, rest = (section["name"], section["rest"]) if section and known else (examination, line)
    yield from ((part, sentence.strip()) for sentence in _STOP.split(rest) if sentence.strip())


def _reports(sentences: tuple[tuple[str, str], ...]) -> Iterator[tuple[str, str]]:
    """Each part's sentences as one report: wordings may hold several, and a lead such as "Impression:"."""
    for part in dict.fromkeys(name for name, _ in sentences):
        text = " ".join(sentence for name, sentence in sentences if name == part)
        yield part, text
        _, colon, rest = text.partition(":")
        if colon:
            yield part, rest


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))


@lru_cache(maxsize=2048)
def _matched(examination: str) -> tuple[examinations.ExamMatch, ...]:
    return tuple(examinations.match(examination))


@cache
def _names() -> dict[tuple[str, ...], str]:
    """Names first, so that no synonym takes another examination's name."""
    found: dict[tuple[str, ...], str] = {}
    for exam in catalogue().exams.values():
        found.setdefault(tuple(normalise(exam.name)), exam.id)
    for exam in catalogue().exams.values():
        for synonym in exam.synonyms:
            found.setdefault(tuple(normalise(synonym)), exam.id)
    return found


@cache
def _wordings() -> dict[tuple[str, str], str]:
    exams = catalogue().exams.values()
    return {(e.id, _plain(report)): p.id for e in exams for p in e.results for report in p.reports}


@cache
def _signs() -> dict[str, tuple[str, bool]]:
    """Wordings of exactly one sign; one that two signs share says nothing certain."""
    found: dict[str, set[tuple[str, bool]]] = {}
    for finding in knowledge().findings.values():
        if finding.kind == "sign":
            for words in finding.says:
                found.setdefault(_plain(words), set()).add((finding.id, True))
            found.setdefault(_plain(finding.denies), set()).add((finding.id, False))
    return {words: next(iter(facts)) for words, facts in found.items() if len(facts) == 1}
