"""Age and sex from a description: "35-year-old woman", "2-day-old male infant", "Newborn, female"."""

from __future__ import annotations

import re
from typing import Literal

Sex = Literal["female", "male", "other", "unknown"]

_NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve".split()  # noqa: SIM905
_COUNT = rf"(\d+(?:\.\d+)?|{'|'.join(_NUMBERS)})"
_AGE = re.compile(rf"\b{_COUNT}[\s-]*(year|month|week|day)s?\b", re.I)
_DECADE = re.compile(r"\b(early |mid-?|late )?(\d0)'?s\b", re.I)
_PER_YEAR = {"year": 1.0, "month": 12.0, "week": 52.18, "day": 365.25}
_PART = {"early": 2.0, "mid": 5.0, "late": 8.0}
_FEMALE = re.compile(r"\b(female|woman|girl|lady|gravida|primigravida|postmenopausal)\b", re.I)
_MALE = re.compile(r"\b(male|man|boy|gentleman)\b", re.I)


def age_years(text: str) -> float | None:
    """The first age stated, in years; None where there is none."""
    found = _AGE.search(text)
    if found:
        count = found[1].lower()
        number = float(_NUMBERS.index(count)) if count in _NUMBERS else float(count)
        return round(number / _PER_YEAR[found[2].lower()], 3)
    decade = _DECADE.search(text)
    if decade:
        return float(decade[2]) + _PART.get((decade[1] or "mid").strip(" -").lower(), 5.0)
    return 0.0 if re.search(r"\b(newborn|neonate)\b", text, re.I) else None


def sex(text: str) -> Sex:
    """female or male as stated first, else unknown."""
    female, male = _FEMALE.search(text), _MALE.search(text)
    if female and male:
        return "female" if female.start() < male.start() else "male"
    return "female" if female else "male" if male else "unknown"
