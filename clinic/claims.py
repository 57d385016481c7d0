"""What the agent claims to argue for or against: found among this case's own facts, or shown as not in this record."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from agents.examinations import match
from agents.knowledge.catalogue import catalogue
from agents.world.questions import words
from clinic.fact_texts import Read, read_text
from clinic.facts import Facts, Known
from clinic.measures import SURE

HIGH = frozenset("raised high elevated increased positive up tachycardia fast hypertension".split())  # noqa: SIM905
LOW = frozenset("low reduced decreased down hypotension slow bradycardia hypoxia desaturation".split())  # noqa: SIM905
NORMAL = frozenset("normal unremarkable negative fine clear stable".split())  # noqa: SIM905
NO = frozenset("no not without denies denied never absent absence lack lacks".split())  # noqa: SIM905
FILLERS = frozenset(
    words("a an the of for with and or in on at to is was has had her his their patient since very some")
)
IMPLIED = {"hypotension": "systolic_bp", "hypoxia": "spo2", "tachycardia": "heart_rate", "desaturation": "spo2",
           "bradycardia": "heart_rate", "hypoxic": "spo2", "hypotensive": "systolic_bp",
           "tachycardic": "heart_rate", "tachypnoea": "respiratory_rate", "tachypnea": "respiratory_rate"}  # fmt: skip
_SENTENCE = re.compile(r"(?<=[.;!?])\s+|\n+")


@dataclass(frozen=True, slots=True)
class Claim:
    """`fact` is what this case holds of it; `denied` what it holds that says the opposite; else nothing is known."""

    text: str
    fact: Known | None = None
    denied: Known | None = None


def check_claim(text: str, facts: Facts) -> Claim:
    """By coded finding, by value and its direction, by result, by age and sex, else word for word."""
    text = text.strip()
    for found in _coded(text, facts):
        return found
    for found in _values(text, facts):
        return found
    fact = _person(text, facts) or _quoted(text, facts)
    return Claim(text, fact=fact)


def _coded(text: str, facts: Facts) -> Iterator[Claim]:
    for read in read_text(text):
        known = facts.find(read.id)
        if known is not None and known.value is not None:
            yield Claim(text, fact=known) if _agrees(read, known) else Claim(text, denied=known)


def _agrees(read: Read, known: Known) -> bool:
    if isinstance(read.value, (bool, str)) or read.value is None:
        return read.value == known.value
    return isinstance(known.value, (int, float)) and abs(read.value - known.value) <= 0.02 * abs(read.value)


def _values(text: str, facts: Facts) -> Iterator[Claim]:
    """ "Raised troponin", "tachycardia": the value must lie where the claim says."""
    said = _plain(text)
    exams = [hit.exam for hit in match(text) if hit.score >= SURE] + [IMPLIED[word] for word in said if word in IMPLIED]
    for leaf in (leaf for exam in exams for leaf in catalogue().leaves(exam)):
        known = facts.values.get(leaf) or facts.results.get(leaf)
        if known is None:
            continue
        yield Claim(text, fact=known) if _lies_there(set(said), known, facts) else Claim(text, denied=known)


def _lies_there(said: set[str], known: Known, facts: Facts) -> bool:
    exam = catalogue().exams[known.id]
    if isinstance(known.value, str):
        usual = exam.results[0].id == known.value
        return usual if said & (NORMAL | NO) else not usual if said & HIGH else True
    if exam.analyte is None or not isinstance(known.value, (int, float)):
        return True
    low, high = exam.analyte.interval(facts.age_years or 50, facts.sex)
    if said & (NORMAL | NO):
        return low <= known.value <= high
    if said & HIGH or said & {"tachycardic", "tachypnoea", "tachypnea"}:
        return known.value > high
    return known.value < low if said & (LOW | {"hypoxic", "hypotensive"}) else True


def _person(text: str, facts: Facts) -> Known | None:
    said = _plain(text)
    old = facts.age_years is not None and re.search(rf"\b{facts.age_years:.0f}\b", text)
    aged = old and {"year", "years", "age", "aged", "old", "yo", "y"} & set(said)
    if not (aged or said == [facts.sex]):
        return None
    who = f"{facts.age_years:.0f} y, {facts.sex}" if facts.age_years is not None else facts.sex
    return Known("person", True, "Age and sex", who, facts.source, "case:person")


def _quoted(text: str, facts: Facts) -> Known | None:
    """One sentence of one row that has all of the claim's words, and a "no" exactly where the claim has one."""
    wanted = set(words(text)) - FILLERS - NO
    if not wanted:
        return None
    for row in [*facts.rows.values(), *facts.sections]:
        for sentence in _SENTENCE.split(f"{row.name}: {row.quote}"):
            if wanted <= set(words(sentence)) and bool(NO & set(_plain(sentence))) == bool(NO & set(_plain(text))):
                return Known(row.id, True, row.name, sentence, row.source, row.row, row.turn, row.at)
    return None


def _plain(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())
