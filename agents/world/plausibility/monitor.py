"""The monitor of every result that a world model writes: pure, and quick enough to stand in a consultation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from agents.world.grammar import Event
from agents.world.plausibility import arithmetic, earlier, limits, words
from agents.world.plausibility.earlier import Known
from agents.world.plausibility.reading import Reading, read
from agents.world.plausibility.verdict import Code, Complaint

_OTHERS = {
    "map": re.compile(r"^(mean arterial pressure|map)$", re.I),
    "gas_bicarbonate": re.compile(r"^(hco3-?|bicarbonate|actual bicarbonate|calculated bicarbonate)$", re.I),
    "direct_bilirubin": re.compile(r"^(direct|conjugated) bilirubin$|^bilirubin,? (direct|conjugated)$", re.I),
}
"""Values of arithmetic that the catalogue does not list, by how reports name them."""


def check(
    result: str,
    *,
    examination: str,
    profile_diagnosis: str = "",
    history: Sequence[Event] = (),
    age: float | None = None,
    sex: str = "",
) -> tuple[Complaint, ...]:
    """Everything wrong with a result, worst kinds first; empty where nothing is.

    `history` is what was seen before it (name, result), `age` in years, `sex` "female" | "male" or unknown.
    Knows names, reports and intervals of the catalogue; of an examination it does not know it judges the text alone.
    """
    if not result.strip():
        return (Complaint(Code.EMPTY, "The result is empty."),)
    reading = read(examination, result)
    before = [read(event.name, event.result) for event in history]
    found = [*words.form(result, reading, examination)]
    found += [complaint for quantity in reading.quantities for complaint in limits.complaints(quantity)]
    found += _among(reading, before, age, sex)
    found += words.person(reading, examination, age, sex)
    found += words.confirms(reading, result, examination, profile_diagnosis)
    return tuple(dict.fromkeys(found))


def _among(reading: Reading, before: Sequence[Reading], age: float | None, sex: str) -> Iterator[Complaint]:
    now, known = Known.of([reading]), Known.of(before)
    yield from arithmetic.complaints(_state(reading, age, sex), known.values)
    yield from earlier.repeats(now, known)
    yield from earlier.contradictions(now, known)


def _state(reading: Reading, age: float | None, sex: str) -> dict[str, float]:
    state = earlier.values_of(reading)
    if "ph" in state and "bicarbonate" in state:
        state["gas_bicarbonate"] = state.pop("bicarbonate")
    for quantity in reading.quantities:
        for key, pattern in _OTHERS.items():
            if quantity.exam is None and pattern.match(quantity.name):
                state[key] = quantity.value
    if age is not None and sex in ("female", "male"):
        state |= {"age": age, "sex": float(sex == "female")}
    return state
