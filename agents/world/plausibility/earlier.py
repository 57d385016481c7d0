"""A result against what was seen before: the same examination again, and facts that exclude each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import log

from agents.knowledge.catalogue import catalogue
from agents.world.plausibility.limits import in_catalogue_unit
from agents.world.plausibility.reading import Reading, analyte
from agents.world.plausibility.verdict import Code, Complaint

TWICE = 2.0
"""Factor by which a value on a log scale may differ within the hours of one presentation."""
DEFICIT = 6.0
"""The same of a saturation, in percent."""


@dataclass(frozen=True)
class Known:
    """Everything read so far: values in the catalogue's unit, signs and categorical results, and all sentences."""

    values: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, bool | str] = field(default_factory=dict)
    text: str = ""

    @classmethod
    def of(cls, readings: Sequence[Reading]) -> Known:
        """The newest value and fact of each kind."""
        values: dict[str, float] = {}
        facts: dict[str, bool | str] = {}
        told: list[str] = []
        for reading in readings:
            values |= values_of(reading)
            facts |= reading.facts
            told += [sentence for _, sentence in reading.sentences]
        return cls(values, facts, " ".join(told))


def values_of(reading: Reading) -> dict[str, float]:
    """Values by catalogue id, in its unit; what has an unknown unit is left out."""
    found = {quantity.exam: in_catalogue_unit(quantity) for quantity in reading.quantities if quantity.exam}
    return {exam: value for exam, value in found.items() if value is not None}


def repeats(now: Known, before: Known) -> Iterator[Complaint]:
    """What was known already and is now told otherwise: nothing was done in between."""
    for exam, value in now.values.items():
        if exam in before.values and not _same(exam, value, before.values[exam]):
            name = catalogue().exams[exam].name
            yield Complaint(Code.REPEAT, f"{name} was {before.values[exam]:g} before and is {value:g} now.")
    for key, fact in now.facts.items():
        if key in before.facts and before.facts[key] != fact:
            name = catalogue().exams[key].name if key in catalogue().exams else key.replace("_", " ")
            yield Complaint(Code.REPEAT, f"{name.capitalize()} was reported otherwise before.")


def _same(exam: str, value: float, other: float) -> bool:
    """Within a factor of two on a log scale or half a reference interval; within its width on a linear one."""
    known = analyte(exam)
    assert known is not None
    width = max(high - low for low, high in known.ref.values())
    if known.scale == "log":
        ratio = abs(log(max(value, 1e-9) / max(other, 1e-9)))
        return ratio <= log(TWICE) or abs(value - other) <= width / 2
    return abs(value - other) <= (DEFICIT if known.scale == "deficit" else width)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two statements that no patient satisfies at once."""

    left: Callable[[Known], bool]
    right: Callable[[Known], bool]
    sentence: str


def contradictions(now: Known, before: Known) -> Iterator[Complaint]:
    """Pairs of the table of which one side is new and the other was known, or is new too."""
    for pair in PAIRS:
        sides = ((now, now), (now, before), (before, now))
        if any(pair.left(a) and pair.right(b) for a, b in sides):
            yield Complaint(Code.CONTRADICTION, pair.sentence)


def above(exam: str, bound: float) -> Callable[[Known], bool]:
    return lambda known: known.values.get(exam, float("-inf")) > bound


def below(exam: str, bound: float) -> Callable[[Known], bool]:
    return lambda known: known.values.get(exam, float("inf")) < bound


def says(*phrases: str) -> Callable[[Known], bool]:
    return lambda known: any(phrase in known.text.lower() for phrase in phrases)


PAIRS: tuple[Pair, ...] = (
    Pair(above("spo2", 97), below("pao2", 40), "A saturation above 97 % and a pO2 below 40 exclude each other."),
    Pair(below("spo2", 75), above("pao2", 100), "A saturation below 75 % and a pO2 above 100 exclude each other."),
    Pair(above("temperature", 38.9), says("afebrile"), "Afebrile, and a temperature above 38.9."),
    Pair(below("temperature", 37.0), says(" febrile", "pyrexial"), "Febrile, and a temperature below 37."),
    Pair(below("heart_rate", 60), says("sinus tachycardia"), "Sinus tachycardia, and a heart rate below 60."),
    Pair(above("heart_rate", 110), says("sinus bradycardia"), "Sinus bradycardia, and a heart rate above 110."),
    Pair(above("systolic_bp", 180), says("hypotensive"), "Hypotensive, and a systolic pressure above 180."),
    Pair(below("respiratory_rate", 12), says("tachypnoeic", "tachypneic"), "Tachypnoeic, and a rate below 12."),
    Pair(above("bilirubin", 15), says("anicteric", "no jaundice"), "No jaundice, and a bilirubin above 15."),
    Pair(above("hb", 16), says("marked pallor", "severe pallor"), "Marked pallor, and a haemoglobin above 16."),
    Pair(above("plt", 450), says("thrombocytopenia"), "Thrombocytopenia, and platelets above 450."),
    Pair(below("wbc", 2), says("leukocytosis", "leucocytosis"), "Leucocytosis, and white cells below 2."),
)
