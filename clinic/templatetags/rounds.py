"""Formatting only: bars, ranges, badges, ages, percentages."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from clinic.models import CaseKind, ConsultationStatus

register = template.Library()

KIND_WORDS = {
    CaseKind.PATIENT: ("real", "REAL PATIENT"),
    CaseKind.RECORD: ("record", "PUBLISHED RECORD"),
    CaseKind.VIRTUAL: ("virtual", "VIRTUAL"),
}
SOURCE_WORDS = {
    "entered": ("accent", "Entered"),
    "recorded": ("ok", "From the record"),
    "simulated": ("simulated", "Simulated"),
    "unavailable": ("dashed", "Not in this record"),
}
STATUS_TONES = {
    ConsultationStatus.WAITING: "accent",
    ConsultationStatus.THINKING: "",
    ConsultationStatus.STOPPED: "caution",
    ConsultationStatus.FAILED: "danger",
    ConsultationStatus.DIAGNOSED: "ok",
    ConsultationStatus.DEFERRED: "caution",
    ConsultationStatus.CLOSED: "dashed",
}
UNIT_WORDS = {
    "1": "",
    "[pH]": "",
    "Cel": "°C",
    "mm[Hg]": "mmHg",
    "10*9/L": "×10⁹/L",
    "10*12/L": "×10¹²/L",
    "10*3/uL": "×10³/µL",
}
SECTION_WORDS = {
    "chief_complaint": "Complaint",
    "hpi": "History of present illness",
    "past": "Past history",
    "drugs": "Medication",
    "allergies": "Allergies",
    "family": "Family history",
    "social": "Social history",
    "review": "Review of systems",
}


def _badge(tone: str, word: str) -> SafeString:
    return format_html('<span class="badge {}">{}</span>', tone, word)


@register.filter
def kind_badge(kind: str) -> SafeString:
    return _badge(*KIND_WORDS[CaseKind(kind)])


@register.filter
def kind_class(kind: str) -> str:
    return KIND_WORDS[CaseKind(kind)][0]


@register.filter
def source_badge(source: str) -> SafeString | str:
    return _badge(*SOURCE_WORDS[source]) if source in SOURCE_WORDS else ""


@register.filter
def status_badge(status: str) -> SafeString:
    found = ConsultationStatus(status)
    return _badge(STATUS_TONES[found], found.label)


@register.filter
def percent(probability: float | None) -> str:
    """0.42 → "42 %"; a codec without probabilities says so with a dash."""
    if probability is None:
        return "–"
    return "<1 %" if 0 < probability < 0.005 else f"{probability * 100:.0f} %"


@register.filter
def age_sex(case: Any) -> str:
    age = "age unknown" if case.age_years is None else _age(case.age_years)
    return f"{age}, {case.sex}" if case.sex != "unknown" else age


def _age(years: float) -> str:
    return f"{years * 12:.0f} months" if years < 2 else f"{years:.0f} y"


@register.filter
def section(key: str) -> str:
    return SECTION_WORDS.get(key, key.replace("_", " ").capitalize())


@register.filter
def number(value: Any) -> str:
    """At most four significant digits, no exponent for what a laboratory reports."""
    return f"{value:.4g}" if isinstance(value, float) and abs(value) < 10_000 else f"{value:g}"


@register.filter
def unit(code: str) -> str:
    """A UCUM code as a laboratory prints it."""
    return UNIT_WORDS.get(code, code.replace("ug/", "µg/").replace("uL", "µL").replace("{", "").replace("}", ""))


@register.filter
def duration(minutes: float) -> str:
    if minutes < 60:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.0f} h" if minutes < 1440 else f"{minutes / 1440:.0f} d"


@register.simple_tag
def probability_bar(probability: float | None, before: float | None = None) -> SafeString | str:
    """A bar of 0..100 with a tick where it stood at the last turn; words beside it carry the number."""
    if probability is None:
        return ""
    tick = (
        ""
        if before is None
        else format_html('<rect class="before" x="{}" y="0" width="0.8" height="6"/>', f"{min(before, 0.99) * 100:.1f}")
    )
    return format_html(
        '<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" y="1" width="100" height="4"/><rect class="fill" y="1" width="{}" height="4"/>{}</svg>',
        f"{max(probability * 100, 0.6):.1f}",
        tick,
    )


@register.filter
def value_tone(value: dict[str, Any]) -> str:
    flag = str(value.get("flag") or "")
    return "high" if flag.startswith("H") else "low" if flag.startswith("L") else ""


@register.filter
def flag_word(value: dict[str, Any]) -> str:
    words = {"H": "high", "HH": "very high", "L": "low", "LL": "very low"}
    return words.get(str(value.get("flag") or ""), "")


@register.simple_tag
def range_dot(value: dict[str, Any]) -> SafeString | str:
    """The value as a dot against its reference interval, which fills the middle half of the axis."""
    low, high = value.get("low"), value.get("high")
    if low is None or high is None or high <= low:
        return ""
    place = min(max(25 + 50 * (value["value"] - low) / (high - low), 3), 97)
    return format_html(
        '<svg class="range{}" viewBox="0 0 100 12" aria-hidden="true"><rect class="axis" y="5" width="100" height="2"/>'
        '<rect class="normal" x="25" y="3" width="50" height="6"/><circle cx="{}" cy="6" r="4.5"/></svg>',
        " out" if value["value"] < low or value["value"] > high else "",
        f"{place:.0f}",
    )
