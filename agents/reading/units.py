"""Brings a number into the catalogue's unit, where the written unit is understood."""

from __future__ import annotations

import re

from agents.knowledge.catalogue import Analyte

_NEUTRAL = re.compile(r"[\s\[\]^*×]")
_CONCENTRATION = re.compile(r"^(mc|[numpkμµd])?(g|mol|osm)/([dmucμµ])?(l|kg)$")
_SIZE = {
    "": 1.0,
    "k": 1e3,
    "d": 1e-1,
    "c": 1e-2,
    "m": 1e-3,
    "u": 1e-6,
    "μ": 1e-6,
    "µ": 1e-6,
    "mc": 1e-6,
    "n": 1e-9,
    "p": 1e-12,
}
_SAME = {
    spelling: unit
    for unit, spellings in {
        "mmhg": "mm[hg]",
        "u/l": "iu/l",
        "miu/l": "uiu/ml",
        "/min": "/minute bpm beats/min breaths/min beats breaths",
        "cel": "c °c degc degreesc celsius",
        "%": "percent",
        "mmol/l": "meq/l",
        "109/l": "x10/9/l x109/l 10e9/l x10e9/l k/ul k/mm3 thou/ul",
        "s": "seconds sec",
        "mm/h": "mm/hr",
    }.items()
    for spelling in spellings.split()
}
_COUNTS = {"/mm3": 0.001, "/mm³": 0.001, "/ul": 0.001, "/µl": 0.001, "/μl": 0.001, "cells/ul": 0.001}


def plain(unit: str) -> str:
    """A unit in one spelling, for comparison only."""
    bare = _NEUTRAL.sub("", unit).lower().rstrip(".")
    return _SAME.get(bare, bare)


def convert(value: float, unit: str, analyte: Analyte) -> float | None:
    """The value in the analyte's unit; None where the written unit is not understood or measures something else."""
    wanted, written = plain(analyte.unit), plain(unit)
    if written == wanted:
        return value
    if analyte.si and written == plain(analyte.si[1]):
        return value / analyte.si[0]
    if wanted == "cel" and written in ("f", "°f", "degf", "fahrenheit"):
        return (value - 32) / 1.8
    if wanted == "109/l" and written in _COUNTS:
        return value * _COUNTS[written]
    sizes = _size(written), _size(wanted)
    if None not in sizes and sizes[0][1] == sizes[1][1]:  # type: ignore[index]
        return value * sizes[0][0] / sizes[1][0]  # type: ignore[index]
    return None


def _size(unit: str) -> tuple[float, str] | None:
    """(size in base units, what is counted) of a concentration: "mg/dl" is (0.01, "g/l")."""
    found = _CONCENTRATION.match(unit)
    if not found:
        return None
    amount = _SIZE[found[1] or ""]
    volume = _SIZE[found[3] or ""]
    return amount / volume, f"{found[2]}/{found[4]}"
