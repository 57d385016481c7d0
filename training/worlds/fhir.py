"""Admissions from FHIR bundles: the last encounter with a diagnosis of its own, and what was measured around it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from agents.knowledge.catalogue import catalogue
from agents.records import UnreadableFile
from agents.records import fhir as bundles
from agents.records.base import Rejection, json_document, list_of, text_of
from agents.types import RecordedResult
from training.worlds import recorded, style
from training.worlds.admission import Admission, Result, Window
from training.worlds.rows import Access

WINDOW = Window(before=24.0, after=24.0)
"""An encounter's own results are measured after its start."""
STANDING = frozenset(("problem-list-item",))
UNEXAMINED = frozenset(("survey", "social-history"))
Resource = dict[str, Any]


def read(path: Path, access: Access) -> Iterator[Admission | Rejection]:
    """One admission per bundle of the file or folder."""
    files = [path] if path.is_file() else sorted(path.rglob("*.json"))
    if not files:
        raise UnreadableFile(f"{path.name} holds no .json file.")
    for file in files:
        try:
            document = json_document(file)
        except UnreadableFile as error:
            yield Rejection(file.name, str(error))
            continue
        yield _admission(file.stem, document, access)


def _admission(name: str, document: Any, access: Access) -> Admission | Rejection:
    found = _resources(document)
    diagnosed = _diagnosed(found)
    whole = bundles.case_of(name, document)
    if isinstance(whole, Rejection) or diagnosed is None:
        return whole if isinstance(whole, Rejection) else Rejection(name, "no encounter with a diagnosis of its own")
    start, encounter, condition = diagnosed
    kept = _firsts([one for one in found if _stays(one, start, encounter, condition)])
    record = bundles.case_of(name, {"resourceType": "Bundle", "entry": [{"resource": one} for one in kept]})
    if isinstance(record, Rejection):
        return record
    record = replace(record, answer=bundles.concept(condition.get("code")))
    times = {bundles.concept(one.get("code")): _hours(one, start) for one in kept if _is(one, "Observation")}
    plain = recorded.admission(replace(record, results=()), access)
    body = [_result(one, None) for one in record.results if recorded.is_physical(one)]
    rest = [_result(one, times.get(one.examination)) for one in record.results if not recorded.is_physical(one)]
    return replace(plain, physical=tuple(body), results=tuple(rest), window=WINDOW)


def _resources(document: Any) -> list[Resource]:
    entries = list_of(document.get("entry")) if isinstance(document, dict) else []
    found = ((entry.get("resource"), text_of(entry.get("fullUrl"))) for entry in entries if isinstance(entry, dict))
    return [{"id": _tail(url), **resource} for resource, url in found if isinstance(resource, dict)]


def _firsts(found: list[Resource]) -> list[Resource]:
    """Of every kind of observation only the first."""
    seen: dict[str, Resource] = {}
    observations = (one for one in found if _is(one, "Observation"))
    for one in sorted(observations, key=lambda one: text_of(one.get("effectiveDateTime"))):
        seen.setdefault(bundles.concept(one.get("code")), one)
    return [one for one in found if not _is(one, "Observation")] + list(seen.values())


def _diagnosed(found: list[Resource]) -> tuple[datetime, Resource, Resource] | None:
    """The latest encounter that a condition was made at: its start, itself, the condition."""
    conditions = [one for one in found if _is(one, "Condition") and not _categories(one) & STANDING]
    pairs = []
    for entry in (one for one in found if _is(one, "Encounter")):
        start = _when(entry.get("period", {}).get("start") if isinstance(entry.get("period"), dict) else None)
        made = [one for one in conditions if _refers(one, entry) and bundles.concept(one.get("code"))]
        if start and made:
            pairs.append((start, entry, made[0]))
    return max(pairs, key=lambda pair: pair[0], default=None)


def _stays(one: Resource, start: datetime, encounter: Resource, condition: Resource) -> bool:
    """Whether a resource was known at the encounter, or is a first measurement around it."""
    if _is(one, "Encounter"):
        return one is encounter
    if _is(one, "Condition"):
        onset = _when(one.get("onsetDateTime"))
        return one is not condition and onset is not None and onset < start
    if _is(one, "MedicationRequest"):
        asked = _when(one.get("authoredOn"))
        return asked is not None and asked < start
    if _is(one, "Observation"):
        hours = _hours(one, start)
        return hours is not None and -WINDOW.before <= hours <= WINDOW.after and not _categories(one) & UNEXAMINED
    return True


def _result(one: RecordedResult, hours: float | None) -> Result:
    short = [replace(value, value=float(f"{value.value:g}")) for value in one.values]  # as many digits as are shown
    lines = [(value.name, style.measured(value, f"{value.value:g}")) for value in short]
    if len(lines) != 1:
        return Result(one.examination, style.panel(lines) if lines else one.text, hours)
    return Result(one.examination, lines[0][1], hours, _by_code().get(one.values[0].code))


@cache
def _by_code() -> dict[str, str]:
    """Single measurements of the catalogue by their LOINC code: names differ from sender to sender, codes do not."""
    return {exam.loinc: exam.id for exam in catalogue().exams.values() if exam.loinc and exam.analyte}


def _is(one: Resource, kind: str) -> bool:
    return one.get("resourceType") == kind


def _refers(one: Resource, encounter: Resource) -> bool:
    reference = one.get("encounter")
    target = text_of(reference.get("reference")) if isinstance(reference, dict) else ""
    return bool(target) and _tail(target) == text_of(encounter.get("id"))


def _tail(reference: str) -> str:
    """ "urn:uuid:1-2" and "Encounter/1-2" both name 1-2."""
    return reference.rpartition("/")[2].rpartition(":")[2]


def _categories(one: Resource) -> set[str]:
    categories = [category for category in list_of(one.get("category")) if isinstance(category, dict)]
    codings = [coding for category in categories for coding in list_of(category.get("coding"))]
    return {text_of(coding.get("code")) for coding in codings if isinstance(coding, dict)}


def _hours(one: Resource, start: datetime) -> float | None:
    at = _when(one.get("effectiveDateTime"))
    return (at - start).total_seconds() / 3600 if at else None


def _when(value: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(text_of(value))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
