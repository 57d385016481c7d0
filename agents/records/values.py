"""Numbers of a result line, where they stand plainly: "11.2 g/dL (low)", "7,300/mm3", "125/80 mmHg", "37.1°C"."""

from __future__ import annotations

import re

from agents import examinations
from agents.knowledge.catalogue import Examination
from agents.types import Value

_NUMBER = r"(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
_PLAIN = re.compile(rf"^{_NUMBER}\s*([^\s\d(;,.+\-–][^\s(;,]*)?(?=$|[\s(;,.])")
_PRESSURE = re.compile(r"^(\d{2,3})\s*/\s*(\d{2,3})\s*(?:mm\s?\[?Hg\]?)?", re.I)
_NEUTRAL = re.compile(r"[\s\[\]^*×]")
# From the unit as written to the catalogue's unit: a factor. Only for the flag; the value stays as recorded.
_FACTORS = {
    ("10*9/L", "/mm3"): 0.001,
    ("10*9/L", "/mm³"): 0.001,
    ("10*9/L", "/ul"): 0.001,
    ("10*9/L", "/µl"): 0.001,
    ("10*9/L", "109/l"): 1.0,
    ("10*9/L", "x109/l"): 1.0,
    ("mmol/L", "meq/l"): 1.0,
    ("g/dL", "g/l"): 0.1,
    ("/min", "bpm"): 1.0,
    ("/min", "beats/min"): 1.0,
    ("/min", "breaths/min"): 1.0,
    ("Cel", "°c"): 1.0,
    ("U/L", "iu/l"): 1.0,
}


def values(name: str, text: str, *, age: float | None, sex: str) -> tuple[Value, ...]:
    """The number of one named item with its catalogue id; empty where the text or the name is not plain."""
    hits = examinations.match(name)
    exam = examinations.find(hits[0].exam) if len(hits) == 1 else None
    if exam is None:
        return ()
    if exam.id == "blood_pressure":
        return _pressure(text, age, sex)
    found = _PLAIN.match(text.strip())
    if exam.analyte is None or not found:
        return ()
    return (_value(exam, float(found[1].replace(",", "")), (found[2] or "").rstrip("."), age, sex),)


def _pressure(text: str, age: float | None, sex: str) -> tuple[Value, ...]:
    found = _PRESSURE.match(text.strip())
    parts = [examinations.find(key) for key in ("systolic_bp", "diastolic_bp")]
    if not found:
        return ()
    return tuple(_value(exam, float(found[n]), "mm[Hg]", age, sex) for n, exam in enumerate(parts, 1) if exam)


def _value(exam: Examination, number: float, unit: str, age: float | None, sex: str) -> Value:
    assert exam.analyte is not None
    factor = _factor(exam.analyte.unit, unit)
    if factor is None or age is None or sex not in ("female", "male"):
        return Value(exam.id, number, unit, name=exam.name)
    low, high = (bound / factor for bound in exam.analyte.interval(age, sex))
    flag = "L" if number < low else "H" if number > high else ""
    return Value(exam.id, number, unit, flag, exam.name, round(low, 4), round(high, 4))


def _factor(wanted: str, written: str) -> float | None:
    """What a number in the written unit is multiplied by to be in the wanted one; None if unknown."""
    plain = _NEUTRAL.sub("", written).lower()
    if plain == _NEUTRAL.sub("", wanted).lower():
        return 1.0
    return _FACTORS.get((wanted, plain))
