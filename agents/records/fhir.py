"""FHIR R4 bundles (one JSON file, or a folder of them): one case per bundle with exactly one Patient.

A plain mapping of the resources that a case is made of; whatever else a bundle holds is counted, not guessed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from agents.records.base import Parsed, Rejection, Sex, UnreadableFile, json_document, list_of, text_of
from agents.types import CaseRecord, RecordedResult, Value

LICENCE = "as stated by its publisher"
READ = frozenset(
    {
        "Patient", "Encounter", "Condition", "MedicationRequest", "MedicationStatement", "AllergyIntolerance",
        "Observation", "DiagnosticReport",
    }
)  # fmt: skip
_SEX: dict[str, Sex] = {"female": "female", "male": "male", "other": "other"}
AGE = "30525-0"
VOID = ("entered-in-error", "cancelled", "not-done")
"""What was withdrawn is not read: a result of this status may be anybody's."""
PRACTICE = "HTEST"
DOUBTFUL = ("refuted", "entered-in-error", "differential", "provisional", "unconfirmed")
SECTIONS = {"10164-2": "hpi", "10157-6": "family", "29762-2": "social", "10187-3": "review"}
"""LOINC codes of the parts of a history that are text."""
Resource = dict[str, Any]


def read(path: Path) -> Iterator[Parsed]:
    """Every bundle at `path`; in a folder an unreadable file is rejected by itself."""
    if path.is_file():
        yield case_of(path.stem, json_document(path))
        return
    files = sorted(path.glob("*.json"))
    if not files:
        raise UnreadableFile(f"{path.name} holds no .json file.")
    for file in files:
        try:
            yield case_of(file.stem, json_document(file))
        except UnreadableFile as error:
            yield Rejection(file.name, str(error))


def case_of(name: str, document: Any) -> Parsed:
    """The one patient of a parsed bundle as a case record, or a Rejection with its reason."""
    if not isinstance(document, dict) or document.get("resourceType") != "Bundle":
        return Rejection(name, "not a FHIR Bundle")
    kinds: dict[str, list[Resource]] = {}
    for entry in list_of(document.get("entry")):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(resource, dict) or resource.get("status") in VOID:
            continue
        kinds.setdefault(str(resource.get("resourceType")), []).append(resource)
    patients = kinds.get("Patient", [])
    if len(patients) != 1:
        return Rejection(name, f"{len(patients)} patients in one bundle; exactly one makes a case")
    return _case(name, patients[0], kinds)


def _case(name: str, patient: Resource, kinds: dict[str, list[Resource]]) -> Parsed:
    told = [one for one in kinds.get("Observation", []) if _loinc(one.get("code")) not in (AGE, *SECTIONS)]
    results = tuple(_results(told))
    seen_on = max((result_date for result_date in map(_when, kinds.get("Encounter", [])) if result_date), default=None)
    not_read = Counter({kind: len(found) for kind, found in kinds.items() if kind not in READ})
    history = {
        "past": _lines([one for one in kinds.get("Condition", []) if _established(one)]),
        "drugs": _lines(kinds.get("MedicationRequest", []) + kinds.get("MedicationStatement", [])),
        "allergies": _lines([one for one in kinds.get("AllergyIntolerance", []) if _established(one)]),
        **_sections(kinds.get("Observation", [])),
    }
    return CaseRecord(
        id=f"fhir-{patient.get('id') or name}",
        origin="fhir",
        age_years=_stated_age(kinds) or _age(text_of(patient.get("birthDate")), seen_on or _last_measured(kinds)),
        sex=_SEX.get(text_of(patient.get("gender")), "unknown"),
        complaint=_reason(kinds.get("Encounter", [])) or "No presenting complaint is stated in this record.",
        history={section: text for section, text in history.items() if text},
        results=results,
        extra={"not_read": dict(not_read), "file": name, **_whose(patient)},
    )


def _whose(patient: Resource) -> dict[str, Any]:
    """A practice patient is marked, and has no number: nothing that was invented may become a real patient."""
    meta = patient.get("meta")
    labels = list_of(meta.get("security")) if isinstance(meta, dict) else []
    practice = any(isinstance(label, dict) and label.get("code") == PRACTICE for label in labels)
    return {"practice": practice, "identifier": "" if practice else _identifier(patient)}


def _identifier(patient: Resource) -> str:
    """The first identifier's value: by convention the record number of whoever sent the bundle."""
    found = (text_of(one.get("value")) for one in list_of(patient.get("identifier")) if isinstance(one, dict))
    return next((value for value in found if value), "")[:64]


def concept(value: Any) -> str:
    """The readable text of a CodeableConcept: its text, else its first coding's display or code."""
    if not isinstance(value, dict):
        return ""
    codings = [coding for coding in list_of(value.get("coding")) if isinstance(coding, dict)]
    shown = (text_of(coding.get("display")) or text_of(coding.get("code")) for coding in codings)
    return text_of(value.get("text")) or next((text for text in shown if text), "")


def _established(condition: Resource) -> bool:
    """Not refuted, nor one of several that were still possible: a doubt is no part of a history."""
    status = condition.get("verificationStatus")
    codings = list_of(status.get("coding")) if isinstance(status, dict) else []
    return not any(isinstance(one, dict) and one.get("code") in DOUBTFUL for one in codings)


def _lines(resources: list[Resource]) -> str:
    names = (concept(r.get("code") or r.get("medicationCodeableConcept")) for r in resources)
    return "\n".join(dict.fromkeys(name for name in names if name))


def _reason(encounters: list[Resource]) -> str:
    reasons = (concept(reason) for encounter in encounters[::-1] for reason in list_of(encounter.get("reasonCode")))
    return next((reason for reason in reasons if reason), "")


def _when(encounter: Resource) -> date | None:
    period = encounter.get("period")
    return _date(text_of(period.get("start"))) if isinstance(period, dict) else None


def _last_measured(kinds: dict[str, list[Resource]]) -> date | None:
    dates = (_date(text_of(o.get("effectiveDateTime"))) for o in kinds.get("Observation", []))
    return max((found for found in dates if found), default=None)


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None


def _age(born: str, at: date | None) -> float | None:
    birth = _date(born)
    years = (at - birth).days // 365.25 if birth and at else -1
    return float(years) if 0 <= years <= 120 else None


def _sections(observations: list[Resource]) -> dict[str, str]:
    named = ((SECTIONS.get(_loinc(one.get("code"))), text_of(one.get("valueString"))) for one in observations)
    return {section: text for section, text in named if section}


def _stated_age(kinds: dict[str, list[Resource]]) -> float | None:
    """The age that an Observation states (LOINC 30525-0), for a bundle that names no date of birth."""
    for observation in kinds.get("Observation", []):
        quantity = observation.get("valueQuantity")
        value = _finite(quantity.get("value")) if isinstance(quantity, dict) else None
        if _loinc(observation.get("code")) == AGE and value is not None and 0 <= value <= 125:
            return value
    return None


def _results(observations: list[Resource]) -> Iterator[RecordedResult]:
    """The newest measurement of every kind, newest first occurrence in time order."""
    newest: dict[str, Resource] = {}
    for observation in sorted(observations, key=lambda o: text_of(o.get("effectiveDateTime"))):
        if concept(observation.get("code")):
            newest[concept(observation.get("code"))] = observation
    for order, (name, observation) in enumerate(newest.items(), 1):
        parts = [observation, *(part for part in list_of(observation.get("component")) if isinstance(part, dict))]
        values = tuple(value for part in parts if (value := _value(part)))
        text = "; ".join(f"{v.name}: {v.value:g} {v.unit}".strip() for v in values) or _words(observation)
        if text:
            yield RecordedResult(examination=name, text=text, values=values, order=order)


def _words(observation: Resource) -> str:
    if isinstance(observation.get("valueBoolean"), bool):
        return "Present" if observation["valueBoolean"] else "Absent"
    return concept(observation.get("valueCodeableConcept")) or text_of(observation.get("valueString"))


def _value(part: Resource) -> Value | None:
    quantity = part.get("valueQuantity")
    if not isinstance(quantity, dict):
        return None
    number = _finite(quantity.get("value"))
    if number is None:
        return None
    low, high = _range(part.get("referenceRange"))
    unit = text_of(quantity.get("unit")) or text_of(quantity.get("code"))
    return Value(
        code=_loinc(part.get("code")), value=number, unit=unit, flag=_flag(number, low, high),
        name=concept(part.get("code")), low=low, high=high,
    )  # fmt: skip


def _finite(number: Any) -> float | None:
    """A number that a database can hold; JSON in the wild has NaN, and integers of a thousand digits."""
    if not isinstance(number, int | float) or isinstance(number, bool):
        return None
    try:
        found = float(number)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def _flag(number: float, low: float | None, high: float | None) -> str:
    if low is not None and number < low:
        return "L"
    return "H" if high is not None and number > high else ""


def _loinc(value: Any) -> str:
    codings = list_of(value.get("coding")) if isinstance(value, dict) else []
    codes = (c.get("code") for c in codings if isinstance(c, dict) and c.get("system") == "http://loinc.org")
    return next((text_of(code) for code in codes), "")


def _range(ranges: Any) -> tuple[float | None, float | None]:
    first = ranges[0] if isinstance(ranges, list) and ranges and isinstance(ranges[0], dict) else {}
    limits = (first.get(side) for side in ("low", "high"))
    low, high = (limit.get("value") if isinstance(limit, dict) else None for limit in limits)
    return _finite(low), _finite(high)
