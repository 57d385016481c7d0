"""What a language world model is told of a patient before the first result."""

from __future__ import annotations

from agents.types import CaseRecord
from agents.world import grammar

SECTIONS = {
    "chief_complaint": "Chief Complaint",
    "hpi": "History of Present Illness",
    "past": "Past Medical History",
    "drugs": "Medications on Admission",
    "allergies": "Allergies",
    "family": "Family History",
    "social": "Social History",
    "review": "Review of Systems",
}


def presentation(record: CaseRecord) -> str:
    """Age, sex, complaint and the sections of the history, one paragraph each; no result and no diagnosis."""
    sex = record.sex if record.sex in ("female", "male") else "person"
    age = f"{record.age_years:.0f}-year-old {sex}" if record.age_years is not None else sex.capitalize()
    parts = [f"Patient:\n{age}", f"Chief Complaint:\n{record.complaint.strip()}"]
    told = {key: text for key, text in record.history.items() if text.strip() and key != "chief_complaint"}
    parts += [f"{SECTIONS.get(key, key.capitalize())}:\n{text.strip()}" for key, text in told.items()]
    return "\n\n".join(parts)


def profile_of(record: CaseRecord) -> str:
    """The profile of a record: its presentation and its diagnosis, which the agent never sees."""
    return grammar.profile(presentation(record), record.answer)
