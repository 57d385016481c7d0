"""The numbers of a simulated result, where they can be read, and its text in the house's wording."""

from __future__ import annotations

from agents import examinations
from agents.knowledge.catalogue import Examination
from agents.types import Value
from agents.world import wording
from agents.world.plausibility.reading import Quantity, read

PUBLISHED = "Numeric Value:"
"""What the published style says in every line with a number."""


def worded(examination: str, text: str, *, age: float | None, sex: str) -> tuple[str, tuple[Value, ...]]:
    """The result as a person reads it, and its values of known analytes; age in years.

    Lines in the published style ("Value: 22; Numeric Value: 22.0; Units: mg/L; …") become "Name: 22.0 mg/L (0-8) H".
    What is not plainly a number of a known analyte stays text, as it was written.
    """
    lines, found = [], []
    for line in text.splitlines():
        values = _values(examination, line, age, sex)
        found += values
        plain = PUBLISHED in line and len(values) == 1
        lines.append(wording.value_line(values[0], _decimals(values[0])) if plain else line)
    return "\n".join(lines), tuple(found)


def _values(examination: str, line: str, age: float | None, sex: str) -> list[Value]:
    found = (_value(quantity, age, sex) for quantity in read(examination, line).quantities)
    return [value for value in found if value]


def _value(quantity: Quantity, age: float | None, sex: str) -> Value | None:
    exam = examinations.find(quantity.exam) if quantity.exam else None
    if exam is None or exam.analyte is None:
        return None
    low, high = quantity.low, quantity.high
    if low is None or high is None:
        low, high = _interval(exam, quantity.unit, age, sex)
    flag = wording.flag(quantity.value, low, high) if low is not None and high is not None else quantity.flag
    unit = exam.analyte.unit if _same(quantity.unit, exam.analyte.unit) else quantity.unit
    return Value(exam.loinc or exam.id, quantity.value, unit, flag, exam.name, low, high)


def _interval(exam: Examination, unit: str, age: float | None, sex: str) -> tuple[float | None, float | None]:
    """The catalogue's, where the unit is the catalogue's too."""
    if exam.analyte is None or age is None or sex not in ("female", "male") or not _same(unit, exam.analyte.unit):
        return None, None
    return exam.analyte.interval(age, sex)


def _same(written: str, unit: str) -> bool:
    """Whether a unit is the catalogue's, in UCUM or as reports write it."""
    return written in (unit, wording.plain_unit(unit)) or (unit == "1" and not written)


def _decimals(value: Value) -> int:
    """As many as the number needs."""
    return len(f"{value.value:.6f}".rstrip("0").partition(".")[2])
