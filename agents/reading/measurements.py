"""Finds measurements in free text: vital signs and laboratory values with the examination they belong to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from agents import examinations
from agents.knowledge.catalogue import Examination
from agents.reading.units import convert

NAME_WORDS = 5
WITHOUT_UNIT = {
    "temperature": (30.0, 45.0), "heart_rate": (20.0, 250.0), "respiratory_rate": (4.0, 80.0), "spo2": (40.0, 100.0),
    "systolic_bp": (40.0, 280.0), "diastolic_bp": (20.0, 180.0), "inr": (0.5, 15.0), "ph": (6.5, 8.0),
    "hb": (2.0, 22.0), "lactate": (0.2, 25.0), "potassium": (1.5, 9.5), "sodium": (95.0, 190.0),
}  # fmt: skip
"""Read without a unit only inside these limits (catalogue units): outside, nobody knows what the number is."""
_NUMBER = re.compile(r"(?<![\w.,/-])(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)")
_UNIT = re.compile(r"\s{0,2}(%\s?predicted|°\s?[CF]|[A-Za-zµμ%°/][A-Za-z0-9µμ%°/*^\[\].³]*)?")
_PRESSURE = re.compile(
    r"(?<![\w/])(?:blood pressure|bp|b\.p\.)\s*(?:(?:of|was|is|now|:|=|at)\s*)*"
    r"(\d{2,3})\s*/\s*(\d{2,3})(?:\s*mm\s?\[?Hg\]?)?",
    re.I,
)
_FILLERS = re.compile(
    r"(?:\b(?:of|was|is|at|level|levels|count|around|about|raised|elevated|low|high|normal|measured|now|on air)\b"
    r"|[:=~<>()])\s*$",
    re.I,
)
_CLAUSE = re.compile(r"[,;\n]|\.\s")


@dataclass(frozen=True, slots=True)
class Measurement:
    """A number as written and in the catalogue's unit; `quote` is text[start:end]."""

    exam: str
    name: str
    value: float
    unit: str
    written: float
    written_unit: str
    start: int
    end: int
    quote: str


def measurements(text: str) -> tuple[Measurement, ...]:
    """Every measurement whose examination and unit are understood, in the order of the text; the rest is left alone."""
    found = [*_pressures(text)]
    taken = [(one.start, one.end) for one in found]
    for number in _NUMBER.finditer(text):
        if not any(start <= number.start() < end for start, end in taken):
            found.extend(_measurement(text, number))
    return tuple(sorted(found, key=lambda one: (one.start, one.exam)))


def _pressures(text: str) -> Iterator[Measurement]:
    for found in _PRESSURE.finditer(text):
        for key, written in (("systolic_bp", found[1]), ("diastolic_bp", found[2])):
            exam = examinations.find(key)
            assert exam is not None
            assert exam.analyte is not None
            number = float(written)
            yield Measurement(
                key,
                exam.name,
                number,
                exam.analyte.unit,
                number,
                "mm[Hg]",
                found.start(),
                found.end(),
                found[0].strip(),
            )


def _measurement(text: str, number: re.Match[str]) -> Iterator[Measurement]:
    named = _name_before(text, number.start())
    if named is None:
        return
    exam, start = named
    unit = _UNIT.match(text, number.end())
    written, written_unit = float(number[1].replace(",", "")), (unit[1] or "").rstrip(".,") if unit else ""
    value, used = _in_unit(exam, written, written_unit)
    if value is None or exam.analyte is None:
        return
    end = unit.start(1) + len(written_unit) if used and unit and unit[1] else number.end()
    yield Measurement(
        exam.id, exam.name, round(value, 6), exam.analyte.unit, written, written_unit if used else "", start, end,
        text[start:end],
    )  # fmt: skip


def _in_unit(exam: Examination, written: float, unit: str) -> tuple[float | None, bool]:
    """(the value in the catalogue's unit or None, whether the written unit was used)."""
    assert exam.analyte is not None
    if unit and (value := convert(written, unit, exam.analyte)) is not None:
        return value, True
    low, high = WITHOUT_UNIT.get(exam.id, (1.0, 0.0))
    if exam.id == "temperature" and 90 <= written <= 110:
        return (written - 32) / 1.8, False
    if unit and _looks_like_a_unit(unit):
        return None, False
    return (written, False) if low <= written <= high else (None, False)


def _looks_like_a_unit(word: str) -> bool:
    return "/" in word or word.lower() in (
        "mg",
        "g",
        "ml",
        "kg",
        "hours",
        "hour",
        "days",
        "day",
        "weeks",
        "years",
        "year",
    )


def _name_before(text: str, position: int) -> tuple[Examination, int] | None:
    """The examination whose name ends right before the number, the longest name first."""
    begin = max((found.end() for found in _CLAUSE.finditer(text, max(0, position - 80), position)), default=None)
    begin = max(0, position - 80) if begin is None else begin
    before = text[begin:position].rstrip()
    while (shorter := _FILLERS.sub("", before).rstrip()) != before:
        before = shorter
    words = list(re.finditer(r"[A-Za-z0-9][A-Za-z0-9'-]*", before))
    for size in range(min(NAME_WORDS, len(words)), 0, -1):
        start = words[-size].start()
        exam = _exactly(before[start:])
        if exam:
            return exam, begin + start
    return None


def _exactly(name: str) -> Examination | None:
    hits = examinations.match(name)
    if (
        len(hits) != 1
        or hits[0].via not in ("name", "synonym")
        or hits[0].text != " ".join(examinations.normalise(name))
    ):
        return None
    exam = examinations.find(hits[0].exam)
    return exam if exam and exam.analyte else None
