"""The rows in which a result is entered: one a number, prefilled with the catalogue's unit and reference range."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.examinations import match
from agents.knowledge.catalogue import Examination, catalogue
from agents.reading.units import plain
from agents.types import Value
from clinic.measures import exam_of, in_catalogue_unit
from clinic.models import Case, User
from clinic.possible import is_possible
from clinic.services.errors import SENTENCES, Refused

ADULT = 50.0
NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)(e[+-]?\d{1,2})?", re.I)
THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?")
DISPLAYED = {"1": "", "[pH]": "", "Cel": "°C", "mm[Hg]": "mmHg"}
COLUMNS = ("code", "name", "value", "unit", "low", "high")


@dataclass(frozen=True, slots=True)
class Row:
    """One number as typed; `code` is the catalogue's examination, or empty outside of it."""

    code: str = ""
    name: str = ""
    value: str = ""
    unit: str = ""
    low: str = ""
    high: str = ""

    @property
    def exam(self) -> Examination | None:
        return exam_of({"code": self.code, "name": self.name}) if self.code or self.name else None

    @property
    def units(self) -> list[str]:
        return [displayed(unit) for unit in units_of(self.exam)]


def rows_for(examination: str, case: Case, user: User) -> list[Row]:
    """Empty rows for an examination: one for each number the catalogue knows in it, else one without a name."""
    wanted = [catalogue().exams[hit.exam] for hit in match(examination)] if examination.strip() else []
    leaves = [catalogue().exams[leaf] for exam in wanted for leaf in catalogue().leaves(exam.id)]
    return [_prefilled(exam, case, user) for exam in leaves if exam.analyte] or [Row()]


def read_rows(data: Any) -> list[Row]:
    """The rows of a posted form, the empty ones too, so that they can be shown again."""
    columns = [data.getlist(f"row-{name}") for name in COLUMNS]
    size = min(max(map(len, columns), default=0), 60)
    filled = [[*column, *[""] * size][:size] for column in columns]
    return [Row(*(str(text).strip()[:100] for text in row)) for row in zip(*filled, strict=True)]


def values_of(rows: Sequence[Row], examination: str, case: Case) -> list[Value]:
    """The numbers that were entered; raises Refused with the first one that cannot be right."""
    return [_value(row, examination, case) for row in rows if row.value]


def words_of(values: Sequence[Value]) -> str:
    """The numbers as the agent is told them, one a line."""
    return "\n".join(_line(value) for value in values)


def other_unit(value: Mapping[str, Any]) -> tuple[float, str] | None:
    """The same number in the other unit that is in use, SI or conventional; None where there is none."""
    exam = exam_of(value)
    analyte = exam.analyte if exam else None
    if analyte is None or analyte.si is None:
        return None
    known = in_catalogue_unit(analyte, float(value["value"]), str(value.get("unit") or ""))
    if known is None:
        return None
    if plain(str(value["unit"])) == plain(analyte.si[1]):
        return known, analyte.unit
    return known * analyte.si[0], analyte.si[1]


def units_of(exam: Examination | None) -> list[str]:
    """The units in which the catalogue can read it, the conventional one first."""
    if exam is None or exam.analyte is None:
        return []
    return [exam.analyte.unit, *([exam.analyte.si[1]] if exam.analyte.si else [])]


def displayed(unit: str) -> str:
    return DISPLAYED.get(unit, unit.replace("ug/", "µg/").replace("umol", "µmol").replace("10*9", "×10⁹"))


def interval(exam: Examination, unit: str, case: Case) -> tuple[float, float] | None:
    """The catalogue's reference range for this patient in that unit."""
    analyte = exam.analyte
    assert analyte is not None
    age = ADULT if case.age_years is None else case.age_years
    low, high = analyte.interval(age, case.sex if case.sex in ("male", "female") else "female")
    if plain(unit) == plain(analyte.unit):
        return low, high
    if analyte.si and plain(unit) == plain(analyte.si[1]):
        return float(f"{low * analyte.si[0]:.3g}"), float(f"{high * analyte.si[0]:.3g}")
    return None


def _prefilled(exam: Examination, case: Case, user: User) -> Row:
    units = units_of(exam)
    unit = units[-1] if user.conventional_units is False else units[0]
    low, high = interval(exam, unit, case) or ("", "")
    return Row(exam.id, exam.name, "", displayed(unit), _plain(low), _plain(high))


def _plain(number: float | str) -> str:
    return number if isinstance(number, str) else f"{number:g}"


def _value(row: Row, examination: str, case: Case) -> Value:
    exam = row.exam or exam_of({"name": examination})
    name = exam.name if exam else row.name or examination
    number, low, high = (_number(text, name) for text in (row.value, row.low, row.high))
    assert number is not None
    unit = _unit(row.unit, exam, name)
    if exam and not is_possible(exam, number, unit):
        raise Refused(
            SENTENCES["impossible"].format(name=name, value=row.value, unit=displayed(unit)).replace("  ", " ")
        )
    low, high = _range(exam, unit, low, high, case)
    if low is not None and high is not None and low > high:
        raise Refused(SENTENCES["range_reversed"].format(name=name))
    code = (exam.loinc or exam.id) if exam else ""
    return Value(code, number, unit, flag_of(number, low, high), name[:200], low, high)


def _number(text: str, name: str) -> float | None:
    if not text:
        return None
    if THOUSANDS.fullmatch(text) or not NUMBER.fullmatch(text):
        raise Refused(SENTENCES["not_a_number"].format(name=name, value=text))
    return float(text.replace(",", "."))


def _unit(typed: str, exam: Examination | None, name: str) -> str:
    """As entered, in the catalogue's spelling where it is one of its units."""
    known = units_of(exam)
    said = typed.replace("μ", "µ")
    same = next((unit for unit in known if plain(unit) == plain(said) or displayed(unit) == said), None)
    if same is None and known and not typed:
        raise Refused(SENTENCES["unit_missing"].format(name=name, units=" or ".join(map(displayed, known))))
    return typed if same is None else same


def _range(
    exam: Examination | None, unit: str, low: float | None, high: float | None, case: Case
) -> tuple[float | None, float | None]:
    """As entered; one that was prefilled for the other unit, or left empty, becomes the catalogue's in this unit."""
    if exam is None or (here := interval(exam, unit, case)) is None:
        return low, high
    prefilled = [interval(exam, known, case) for known in units_of(exam)]
    return here if (low, high) == (None, None) or (low, high) in prefilled else (low, high)


def flag_of(value: float, low: float | None, high: float | None) -> str:
    if low is not None and value < low:
        return "L"
    return "H" if high is not None and value > high else ""


def _line(value: Value) -> str:
    return " ".join(_parts(value))


def _parts(value: Value) -> Iterator[str]:
    yield f"{value.name}: {value.value:g}"
    if displayed(value.unit):
        yield displayed(value.unit)
    if value.low is not None and value.high is not None:
        yield f"({value.low:g}-{value.high:g})"
    if value.flag:
        yield {"H": "high", "L": "low"}[value.flag]
