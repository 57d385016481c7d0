"""Parser of AgentClinic's OSCE cases (JSON lines, one `OSCE_Examination` object each)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from agents import examinations
from agents.records.base import Parsed
from agents.records.lines import DEEPEST, Unusable, clean, need, read, title
from agents.records.people import age_years, sex
from agents.records.values import values
from agents.types import CaseRecord, RecordedResult, Value

ORIGIN = "agentclinic"
LICENCE = "MIT (AgentClinic)"
_HISTORY = {
    "past": ("Past_Medical_History",),
    "drugs": ("Current_Medications", "Medications", "Drug_History"),
    "allergies": ("Allergies",),
    "family": ("Family_History",),
    "social": ("Social_History",),
    "review": ("Review_of_Systems",),
}
_TEXT_KEYS = re.compile(
    r"^(findings?|comments?|interpretation|impression|results?|description|notes?|report|optional)$", re.I
)
_GENERIC = (
    r"additional|other|special|basic|routine|infectious disease|serum|blood|labs?|laboratory|imaging|hematolog\w+|"
    r"serolog\w+|(?:bio)?chemistr\w+|and|tests?|testing|results?|studies|study|analys[ie]s|work|panel"
)
_CONTAINER = re.compile(rf"^(?:(?:{_GENERIC})\W*)+$", re.I)


def parse(lines: Iterable[str | bytes]) -> Iterator[Parsed]:
    """One CaseRecord or Rejection per line."""
    return read(lines, _case)


def _case(row: dict[str, Any]) -> CaseRecord:
    osce = row.get("OSCE_Examination")
    actor = osce.get("Patient_Actor") if isinstance(osce, dict) else None
    if not isinstance(osce, dict) or not isinstance(actor, dict):
        raise Unusable("OSCE_Examination with a Patient_Actor is missing")
    who = need(actor, "Demographics")
    age, gender = age_years(who), sex(who)
    tests, signs = (_section(osce, key) for key in ("Test_Results", "Physical_Examination_Findings"))
    results = [*_signs(signs, age, gender), *_tests(tests, age, gender)]
    symptoms = _mapping(actor.get("Symptoms"))
    history = {"hpi": _hpi(need(actor, "History"), symptoms)}
    history |= {
        key: " ".join(filter(None, (clean(actor.get(name)) for name in names))) for key, names in _HISTORY.items()
    }
    return CaseRecord(
        id=f"{ORIGIN}:{_digest(osce)}",
        origin=ORIGIN,
        age_years=age,
        sex=gender,
        complaint=clean(symptoms.get("Primary_Symptom")) or need(actor, "History").split(". ")[0],
        history={key: text for key, text in history.items() if text},
        results=tuple(RecordedResult(name, text, found, n) for n, (name, text, found) in enumerate(results)),
        answer=need(osce, "Correct_Diagnosis"),
        extra={"description": who},
    )


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _section(osce: dict[str, Any], key: str) -> dict[str, Any]:
    section = osce.get(key)
    if not isinstance(section, dict):
        raise Unusable(f"{key} is missing")
    return section


def _digest(osce: dict[str, Any]) -> str:
    """Rows have no id: the content is the identity, so that a second import finds the first."""
    return hashlib.sha256(json.dumps(osce, sort_keys=True).encode()).hexdigest()[:12]


def _hpi(history: str, symptoms: dict[str, Any]) -> str:
    also = clean(symptoms.get("Secondary_Symptoms"))
    return f"{history} Other symptoms: {also}." if also else history


Result = tuple[str, str, tuple[Value, ...]]


def _signs(section: dict[str, Any], age: float | None, gender: str) -> Iterator[Result]:
    """Each system is one examination; one the catalogue does not know belongs to the physical examination."""
    for key, content in section.items():
        name = _known(title(key))
        part = re.sub(r"\s*exam(ination)?$", "", title(key), flags=re.I).lower()
        part = "other" if not part or part.startswith("remainder") else part
        yield from _panel(name or f"Physical examination: {part}", content, age, gender)


def _tests(
    section: dict[str, Any], age: float | None, gender: str, prefix: str = "", depth: int = 0
) -> Iterator[Result]:
    if depth > DEEPEST:
        raise Unusable("a result is nested too deeply")
    for key, content in section.items():
        name = title(key)
        full = f"{prefix}: {name}" if prefix else _known(name) or name
        if isinstance(content, dict) and _is_container(name, content):
            below = prefix if _CONTAINER.match(name) else full
            yield from _tests(content, age, gender, below, depth + 1)
        elif prefix and _TEXT_KEYS.match(name):
            yield from _panel(prefix, content, age, gender)
        else:
            yield from _panel(full, content, age, gender)


def _is_container(name: str, content: dict[str, Any]) -> bool:
    if _CONTAINER.match(name):
        return not all(_TEXT_KEYS.match(key) for key in content)
    return _known(name) is None and any(isinstance(item, dict) for item in content.values())


def _known(name: str) -> str | None:
    """The catalogue's name if this names exactly one examination."""
    hits = examinations.match(name)
    return hits[0].name if len(hits) == 1 and hits[0].score >= 0.9 else None


def _panel(name: str, content: Any, age: float | None, gender: str) -> Iterator[Result]:
    """One result: a text, or lines "Part: text"."""
    items = list(_items(content))
    found = [value for part, text in items for value in values(part or name, text, age=age, sex=gender)]
    text = "\n".join(f"{part}: {text}" if part else text for part, text in items)
    if text:
        yield name, text, tuple(found)


def _items(content: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(content, dict):
        text = clean(content)
        if text:
            yield "", text
        return
    for key, item in content.items():
        label = "" if _TEXT_KEYS.match(key) else title(key)
        if isinstance(item, dict):
            yield from ((part or label, text) for part, text in _items(item))
        elif clean(item):
            yield label, clean(item)
