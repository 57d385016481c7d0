"""Small pieces of FHIR R4: references, concepts, quantities, and the labels that say what a machine asserted."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from agents import examinations
from agents.knowledge.catalogue import Examination
from agents.knowledge.conditions import knowledge
from clinic.naming import condition_of

Resource = dict[str, Any]
NAMESPACE = uuid.UUID("3f0d8f3e-5b1c-4d5e-9a53-6c1f3c1d2b10")
"""Ids are derived from rows in this namespace, so that a second export names the same things alike."""
LOINC, ICD10, UCUM = "http://loinc.org", "http://hl7.org/fhir/sid/icd-10", "http://unitsofmeasure.org"
V3 = "http://terminology.hl7.org/CodeSystem/v3-"
HL7 = "http://terminology.hl7.org/CodeSystem/"
FINDINGS = "urn:rounds:finding"
EXAMINATIONS = "urn:rounds:examination"
AI_ASSERTED = {"system": f"{V3}ObservationValue", "code": "AIAST", "display": "Artificial Intelligence asserted"}
FOR_PRACTICE = {"system": f"{V3}ActReason", "code": "HTEST", "display": "test health data"}
FLAGS = {"H": "High", "HH": "Critical high", "L": "Low", "LL": "Critical low"}


def identify(kind: str, key: object) -> str:
    return str(uuid.uuid5(NAMESPACE, f"{kind}/{key}"))


def reference(resource: Resource) -> dict[str, str]:
    return {"reference": f"urn:uuid:{resource['id']}"}


def concept(text: str, *codings: dict[str, str]) -> dict[str, Any]:
    return {**({"coding": list(codings)} if codings else {}), "text": text}


def coding(system: str, code: str, display: str = "") -> dict[str, str]:
    return {"system": system, "code": code, **({"display": display} if display else {})}


def category(system: str, code: str) -> list[dict[str, Any]]:
    return [{"coding": [coding(f"{HL7}{system}", code)]}]


def instant(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")


def diagnosis(name: str) -> dict[str, Any]:
    """A diagnosis with its ICD-10 category where the knowledge has one."""
    key = condition_of(name)
    if key is None:
        return concept(name)
    known = knowledge().conditions[key]
    return concept(name, coding(ICD10, known.icd10, known.name))


def examination(name: str) -> dict[str, Any]:
    """An examination with its LOINC code, or the catalogue's own id where LOINC has none here."""
    hits = examinations.match(name)
    found = examinations.find(hits[0].exam) if len(hits) == 1 else None
    return _known(name, found) if found else concept(name)


def _known(name: str, exam: Examination) -> dict[str, Any]:
    code = coding(LOINC, exam.loinc, exam.name) if exam.loinc else coding(EXAMINATIONS, exam.id, exam.name)
    return concept(name, code)


def measured(value: dict[str, Any]) -> dict[str, Any]:
    """code, valueQuantity, interpretation and referenceRange of one number."""
    unit = str(value.get("unit") or "")
    part: dict[str, Any] = {
        "code": _measured_code(value),
        "valueQuantity": {"value": value["value"], **({"unit": unit} if unit else {})},
    }
    if flag := FLAGS.get(str(value.get("flag") or "")):
        part["interpretation"] = [
            concept(flag, coding(f"{V3}ObservationInterpretation", str(value["flag"]), flag)),
        ]
    limits = {
        side: {"value": value[side], **({"unit": unit} if unit else {})}
        for side in ("low", "high")
        if value.get(side) is not None
    }
    if limits:
        part["referenceRange"] = [limits]
    return part


def _measured_code(value: dict[str, Any]) -> dict[str, Any]:
    code, name = str(value.get("code") or ""), str(value.get("name") or value.get("code") or "Value")
    exam = examinations.find(code)
    if exam:
        return _known(name, exam)
    return concept(name, coding(LOINC, code)) if code else concept(name)
