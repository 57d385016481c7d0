"""The numbers of a simulated result, where they can be read."""

from __future__ import annotations

from agents import examinations
from agents.knowledge.catalogue import Examination
from agents.types import Value
from agents.world import wording
from agents.world.plausibility.reading import Quantity, read


def values(examination: str, text: str, *, age: float | None, sex: str) -> tuple[Value, ...]:
    """Values of known analytes, in the unit and with the interval they were told in; else with the catalogue's.

    Age in years. What is not plainly a number of a known analyte is left to the text.
    """
    found = (_value(quantity, age, sex) for quantity in read(examination, text).quantities)
    return tuple(value for value in found if value)


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
