"""Puts facts of a virtual patient into words: a patient's talk, an examiner's notes, a laboratory's report."""

from __future__ import annotations

from agents.knowledge.catalogue import Analyte, Examination
from agents.knowledge.conditions import Finding
from agents.types import Value

LEADS = ("", "Report: ", "Impression: ", "Conclusion: ", "Findings: ")
MICRO_LEADS = ("", "Final report: ", "Result: ")
CRITICAL = 0.5
"""A value this share of the reference interval's width beyond it is flagged twice."""


def choose(options: tuple[str, ...], u: float) -> str:
    """The option that u in (0, 1) falls on."""
    return options[min(int(u * len(options)), len(options) - 1)]


def said(finding: Finding, present: bool, u: float) -> str:
    """One sentence of the patient (or, for a sign, of the examiner) without its full stop."""
    return choose(finding.says, u) if present else finding.denies


def sentences(parts: list[str]) -> str:
    """Parts as sentences: capital first, full stop last."""
    return " ".join(f"{part[:1].upper()}{part[1:].rstrip('.')}." for part in parts if part)


def value(exam: Examination, analyte: Analyte, number: float, age: float, sex: str) -> Value:
    """The number with its unit, reference interval and flag."""
    low, high = analyte.interval(age, sex)
    return Value(
        code=exam.loinc or exam.id,
        value=number,
        unit=analyte.unit,
        flag=flag(number, low, high),
        name=exam.name,
        low=low,
        high=high,
    )


def flag(number: float, low: float, high: float) -> str:
    """'' inside the interval, else L, H, or doubled when far outside."""
    far = CRITICAL * (high - low)
    if number < low:
        return "LL" if number < low - far else "L"
    if number > high:
        return "HH" if number > high + far else "H"
    return ""


def value_line(item: Value, decimals: int) -> str:
    """ "C-reactive protein: 22.0 mg/L (0-8) H"."""
    unit = "" if item.unit == "1" else f" {plain_unit(item.unit)}"
    interval = f" ({item.low:g}-{item.high:g})" if item.low is not None and item.high is not None else ""
    return f"{item.name}: {item.value:.{decimals}f}{unit}{interval}{' ' + item.flag if item.flag else ''}"


def report(exam: Examination, result: str, u: float, v: float) -> str:
    """A short report of a categorical result in one of its wordings."""
    pattern = next(p for p in exam.results if p.id == result)
    leads = LEADS if exam.kind == "imaging" else MICRO_LEADS if exam.kind == "microbiology" else ("",)
    return f"{choose(leads, v)}{choose(pattern.reports, u)}"


def plain_unit(ucum: str) -> str:
    """A UCUM unit as reports write it: "mm[Hg]" becomes "mmHg"."""
    return ucum.replace("[", "").replace("]", "").replace("Cel", "°C")
