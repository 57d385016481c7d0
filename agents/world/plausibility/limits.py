"""Units and ranges: what a value can be at all, what the knowledge base can produce, and in which unit it is told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from math import isfinite
from pathlib import Path

import yaml

from agents.knowledge.catalogue import Analyte, catalogue
from agents.knowledge.conditions import knowledge
from agents.world import scales
from agents.world.plausibility.reading import Quantity, analyte
from agents.world.plausibility.verdict import Code, Complaint, note

FAR = 6.0
"""Standard deviations from every condition's median, beyond which a value is unusual."""
_FILE = Path(__file__).with_name("limits.yaml")
_SIMPLE = re.compile(r"[\s\[\]^*×·]")
# Other spellings of the catalogue's unit, with the factor that turns a number into it.
_SPELLINGS: dict[str, dict[str, float]] = {
    "10*9/L": {"k/ul": 1, "x109/l": 1, "109/l": 1, "g/l": 1, "/mm3": 0.001, "/mm³": 0.001, "/ul": 0.001, "/µl": 0.001},
    "mmol/L": {"meq/l": 1},
    "/min": {"bpm": 1, "beats/min": 1, "breaths/min": 1},
    "Cel": {"°c": 1, "c": 1, "degc": 1},
    "U/L": {"iu/l": 1, "units/l": 1},
    "ug/mL": {"mg/lfeu": 1, "mg/l": 1, "ug/mlfeu": 1, "ng/ml": 0.001},
    "mmol/kg": {"mosm/kg": 1},
    "mm/h": {"mm/hr": 1},
    "1": {"": 1, "ratio": 1, "units": 1},
    "[pH]": {"": 1, "units": 1, "ph": 1},
    "ng/mL": {"ug/l": 1, "µg/l": 1, "mcg/l": 1},
    "ug/L": {"ng/ml": 1, "µg/l": 1},
    "IU/mL": {"u/ml": 1},
    "mIU/L": {"uiu/ml": 1, "mu/l": 1},
    "s": {"sec": 1, "seconds": 1},
    "mL/min/1.73m2": {"ml/min/1.73": 1, "ml/min": 1, "ml/min/1.73m²": 1},
}


def factor(wanted: Analyte, written: str) -> float | None:
    """What a number in the written unit is multiplied by to be in the catalogue's; None for a unit it never has."""
    plain = _SIMPLE.sub("", written).lower()
    if plain == _SIMPLE.sub("", wanted.unit).lower():
        return 1.0
    if wanted.si and plain == _SIMPLE.sub("", wanted.si[1]).lower():
        return 1 / wanted.si[0]
    return _SPELLINGS.get(wanted.unit, {}).get(plain)


def in_catalogue_unit(quantity: Quantity) -> float | None:
    """The value in the catalogue's unit; None where examination or unit is unknown."""
    known = analyte(quantity.exam)
    if known is None:
        return None
    times = factor(known, quantity.unit) if quantity.unit else 1.0
    return None if times is None else quantity.value * times


def possible(exam: str) -> tuple[float, float]:
    """The interval outside which no living person's value lies, in the catalogue's unit; KeyError if unknown."""
    return _possible()[exam]


@cache
def plausible(exam: str) -> tuple[float, float]:
    """What the knowledge base can produce: the hull of FAR standard deviations around every condition's median."""
    known = analyte(exam)
    if known is None:
        raise KeyError(exam)
    if known.rule:
        return possible(exam)
    reach = [_reach(known, *interval) for interval in known.ref.values() if interval[1] > 0]
    for condition in knowledge().conditions.values():
        told = condition.values.get(exam)
        if told:
            reach.append(_reach(known, told.q1, told.q3, share=scales.QUARTILE, centre=told.median))
    floor, top = possible(exam)
    return max(floor, min(low for low, _ in reach)), min(top, max(high for _, high in reach))


def complaints(quantity: Quantity) -> Iterator[Complaint]:
    """What is wrong with one number by itself."""
    known = analyte(quantity.exam)
    if known is None or quantity.exam is None:
        return
    value = in_catalogue_unit(quantity)
    if value is None:
        yield Complaint(Code.UNIT, f"{quantity.name} is given in {quantity.unit}; it is measured in {known.unit}.")
        return
    if not quantity.unit and known.unit not in ("1", "[pH]"):
        yield note(Code.UNIT, f"{quantity.name} has no unit.")
    low, high = possible(quantity.exam)
    if not low <= value <= high:
        yield Complaint(
            Code.RANGE, f"{quantity.name} {quantity.value:g} {quantity.unit} is not possible.".replace("  ", " ")
        )
        return
    low, high = plausible(quantity.exam)
    if not low <= value <= high:
        yield note(Code.UNUSUAL, f"{quantity.name} {quantity.value:g} is far outside anything the knowledge base has.")
    yield from _flag(quantity)


def _flag(quantity: Quantity) -> Iterator[Complaint]:
    """The flag must be the one that its own reference interval gives."""
    if not quantity.stated:
        return
    if quantity.low is not None and quantity.high is not None and quantity.low >= quantity.high:
        yield Complaint(Code.FLAG, f"The reference interval of {quantity.name} is upside down.")
        return
    flag = {"": "0", "L": "-", "H": "+"}[quantity.flag[:1]]
    if flag != quantity.stated and (flag != "0" or _ever_flags(quantity)):
        yield Complaint(Code.FLAG, f"{quantity.name} {quantity.value:g} is flagged against its own reference interval.")


def _ever_flags(quantity: Quantity) -> bool:
    """A result with the catalogue's interval carries flags; one of a record may print the interval alone."""
    known = analyte(quantity.exam)
    return quantity.flags and known is not None and (quantity.low, quantity.high) in known.ref.values()


def _reach(
    known: Analyte, low: float, high: float, *, share: float = scales.SPREAD, centre: float | None = None
) -> tuple[float, float]:
    """FAR standard deviations either way on the analyte's scale, back in its unit; quartiles may be lopsided."""
    tiny = scales.resolution(known)
    a, b = (scales.forward(known, max(x, tiny) if known.scale == "log" else x) for x in (low, high))
    middle = scales.forward(known, max(centre, tiny)) if centre is not None else (a + b) / 2
    spread = max(abs(middle - a), abs(b - middle)) / share
    ends = sorted(scales.backward(known, middle + side * FAR * spread) for side in (-1, 1))
    return tuple(end if isfinite(end) else float("inf") for end in ends)  # type: ignore[return-value]


@cache
def _possible() -> dict[str, tuple[float, float]]:
    rows = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    measured = {exam.id for exam in catalogue().exams.values() if exam.analyte}
    if set(rows) != measured:
        raise ValueError(f"limits.yaml and exams.yaml differ: {sorted(set(rows) ^ measured)}")
    return {exam: (float(low), float(high)) for exam, (low, high) in rows.items()}
