"""Parser of MedR-Bench case reports (JSON lines: sections, and ancillary tests as items)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from agents import examinations
from agents.records.base import Parsed
from agents.records.lines import Unusable, clean, need, read
from agents.records.people import age_years, sex
from agents.records.values import values
from agents.types import CaseRecord, RecordedResult

ORIGIN = "medrbench"
LICENCE = "CC BY-SA (MedR-Bench); articles PMC open access"
_HISTORY = {"hpi": "hpi", "pmh": "past", "personal": "social", "family": "family"}
_NOTHING = re.compile(
    r"^\W*(none|not|nothing|no)\b[\w\s]{0,20}\b(reported|mentioned|provided|specified|noted|available|documented|stated|given"
    r"|described|recorded|known|applicable)\W*$|^\W*(none|n/?a|unknown|unremarkable)\W*$",
    re.I,
)
_LABEL = re.compile(r"^([A-Z0-9][^:\n]{1,70}):\s+(?=\S)", re.S)
_MARKUP = re.compile(r"\*\*|(?<!\w)\*(?=\w)|(?<=\w)\*(?!\w)")
_NO_EXAMINATION = re.compile(
    r"^(treatment|therapy|management|clinical course|course|outcomes?|follow-?up|response to \w+|subsequent \w+)\W*$",
    re.I,
)
_DURING = re.compile(r"\s*\((?:.*)\)\s*$")


def parse(lines: Iterable[str | bytes]) -> Iterator[Parsed]:
    """One CaseRecord or Rejection per line."""
    return read(lines, _case)


def _case(row: dict[str, Any]) -> CaseRecord:
    who = need(row, "patient")
    age, gender = age_years(who), sex(who)
    tests = row.get("ancillary_tests")
    if not isinstance(tests, list):
        raise Unusable("ancillary_tests is missing")
    history = {name: _plain(row.get(key)) for key, name in _HISTORY.items()}
    named = [*_signs(row), *_tests(tests)]
    return CaseRecord(
        id=f"{ORIGIN}:{need(row, 'id')}",
        origin=ORIGIN,
        age_years=age,
        sex=gender,
        complaint=_plain(need(row, "chief_complaint")),
        history={key: text for key, text in history.items() if text and not _NOTHING.match(text)},
        results=tuple(
            RecordedResult(name, text, values(name, text, age=age, sex=gender), n)
            for n, (name, text) in enumerate(named)
        ),
        answer=_plain(need(row, "diagnosis")),
        extra={"description": who},
    )


def _plain(value: Any) -> str:
    return " ".join(_MARKUP.sub("", clean(value)).split())


def _signs(row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    lines = [_MARKUP.sub("", line).strip(" -•") for line in clean(row.get("physical_exam")).splitlines()]
    text = "\n".join(" ".join(line.split()) for line in lines if line)
    if text and not _NOTHING.match(text):
        yield "Physical examination", text


def _tests(items: list[Any]) -> Iterator[tuple[str, str]]:
    """Named by its own label, else by what the catalogue recognises in it, else by number."""
    for number, item in enumerate(items, 1):
        text = _plain(item)
        if not text or text.endswith(":") or _NOTHING.match(text):
            # "Imaging:" alone is a heading; what follows has its own label.
            continue
        label = _LABEL.match(text)
        if label and _NO_EXAMINATION.match(label[1]):
            continue
        if label:
            yield _name(label[1]), text[label.end() :]
        else:
            yield _recognised(text) or f"Ancillary tests {number}", text


def _name(label: str) -> str:
    hits = examinations.match(_DURING.sub("", label))
    return hits[0].name if len(hits) == 1 and hits[0].score >= 0.95 and ":" not in label else label


def _recognised(text: str) -> str | None:
    names = [hit.name for hit in examinations.match(text.split(". ")[0][:200]) if hit.score >= 0.95]
    return names[0] if len(names) == 1 else None
