"""What every codec tells a policy about a patient and about results, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agents.prompts import plain, shorten
from agents.types import Inquiry, Observation

INQUIRY_CHARS = 2400
"""About 600 tokens: with twelve turns of at most 300 tokens it stays below the default context of 4096."""
REPLY_CHARS = 700
SECTIONS = {
    "hpi": "History of present illness",
    "review": "Review of systems",
    "past": "Past medical history",
    "drugs": "Medication",
    "allergies": "Allergies",
    "family": "Family history",
    "social": "Personal and social history",
}


def person(inquiry: Inquiry) -> str:
    """Age and sex: "58-year-old female", "8-month-old male", "adult of unknown age"."""
    sex = inquiry.sex if inquiry.sex in ("female", "male") else "person"
    age = inquiry.age_years
    if age is None:
        return f"{sex} of unknown age"
    if age < 2:
        months = round(age * 12)
        return f"{months}-month-old {sex}" if months else f"newborn {sex}"
    return f"{int(age)}-year-old {sex}"


def sections(inquiry: Inquiry) -> Iterable[tuple[str, str, str]]:
    """(key, label, text) of each part of the history that says something, in a fixed order."""
    keys = [*SECTIONS, *(key for key in inquiry.history if key not in SECTIONS and key != "chief_complaint")]
    for key in keys:
        text = inquiry.history.get(key, "").strip()
        if text:
            yield key, SECTIONS.get(key, key.replace("_", " ").capitalize()), one_line(text)


def one_line(text: str) -> str:
    return " ".join(plain(text).split())


def results(observations: Sequence[Observation], note: str, *, limit: int = REPLY_CHARS) -> str:
    """What came back, one line each, then the clinician's own words; shortened to `limit` characters.

    Always the same words for the same observations, so that a prompt can only grow.
    """
    lines = [_line(observation) for observation in observations]
    share = limit // max(len(lines) + bool(note), 1)
    said = [shorten(line, share) for line in lines]
    if note:
        said.append(shorten(f"The clinician says: {one_line(note)}", share))
    return "\n".join(said)


def _line(observation: Observation) -> str:
    text = one_line(observation.text)
    return f"{observation.matched}: {text}" if observation.matched else text
