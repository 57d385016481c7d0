"""Rows for tests: plain functions with sensible defaults; everything lands at one site unless told otherwise."""

from __future__ import annotations

from itertools import count
from typing import Any

from agents.types import CaseRecord, RecordedResult, Value
from clinic.models import (
    Case,
    CaseKind,
    Consultation,
    ConsultationStatus,
    Endpoint,
    Finding,
    FindingSource,
    ModelVersion,
    Patient,
    Role,
    SimulatedResult,
    Site,
    Training,
    Turn,
    TurnRole,
    User,
    VersionStatus,
)

PASSWORD = "correct horse battery"
_numbers = count(1)


def make_site(**fields: Any) -> Site:
    """A site of its own; without `slug` a new one each time."""
    number = next(_numbers)
    return Site.objects.create(**{"name": f"Hospital {number}", "slug": f"hospital-{number}", **fields})


def default_site() -> Site:
    return Site.objects.get_or_create(slug="the-site", defaults={"name": "The Site"})[0]


def make_user(role: str = Role.CLINICIAN, *, site: Site | None = None, **fields: Any) -> User:
    """A person who can sign in with PASSWORD."""
    username = fields.pop("username", f"{role}-{next(_numbers)}")
    fields = {"email": f"{username}@example.org", "first_name": str(role).title(), "last_name": username, **fields}
    password = fields.pop("password", PASSWORD)
    return User.objects.create_user(username, password=password, role=role, site=site or default_site(), **fields)


def make_patient(*, site: Site | None = None, **fields: Any) -> Patient:
    fields = {"identifier": f"MRN-{next(_numbers)}", "name": "Ada Example", **fields}
    return Patient.objects.create(site=site or default_site(), **fields)


def sheet_entry(examination: str, text: str, *values: dict[str, Any], order: int = 0) -> dict[str, Any]:
    """One result of a case's sheet, as `Case.sheet` keeps it."""
    return {"examination": examination, "text": text, "values": list(values), "order": order}


CRP = {"code": "1988-5", "name": "CRP", "value": 96.0, "unit": "mg/L", "flag": "H", "low": 0.0, "high": 5.0}
SHEET = [
    sheet_entry("C-reactive protein", "CRP 96 mg/L (raised)", CRP),
    sheet_entry("Chest X-ray", "Consolidation of the right lower lobe.", order=1),
]


def make_case(kind: str = CaseKind.VIRTUAL, *, site: Site | None = None, **fields: Any) -> Case:
    """A 54-year-old with cough and fever; a patient case gets its patient."""
    site = site or default_site()
    number = next(_numbers)
    if kind == CaseKind.PATIENT and "patient" not in fields:
        fields["patient"] = make_patient(site=site)
    defaults: dict[str, Any] = {
        "key": f"test:case-{number}",
        "origin": "test",
        "title": f"Cough and fever {number}",
        "age_years": 54.0,
        "sex": "female",
        "complaint": "Cough and fever for three days",
        "history": {"hpi": "Productive cough, fever to 39 °C.", "drugs": "None", "past": "None"},
        "sheet": SHEET if kind != CaseKind.PATIENT else [],
        "answer": "Community-acquired pneumonia" if kind != CaseKind.PATIENT else "",
    }
    return Case.objects.create(site=site, kind=kind, **{**defaults, **fields})


def make_record(**fields: Any) -> CaseRecord:
    """The same case as parsers return it."""
    defaults: dict[str, Any] = {
        "id": f"record:{next(_numbers)}",
        "origin": "agentclinic",
        "age_years": 54.0,
        "sex": "female",
        "complaint": "Cough and fever for three days",
        "history": {"hpi": "Productive cough, fever to 39 °C."},
        "results": (RecordedResult("C-reactive protein", "CRP 96 mg/L", (Value(**CRP),)),),
        "answer": "Community-acquired pneumonia",
    }
    return CaseRecord(**{**defaults, **fields})


def make_version(**fields: Any) -> ModelVersion:
    """An agent version; serving (once per role) unless `status` says otherwise. It has no endpoint yet."""
    number = next(_numbers)
    defaults: dict[str, Any] = {
        "role": "agent",
        "version": f"dx-test{number:08d}",
        "name": f"Test model {number}",
        "status": VersionStatus.SERVING,
        "training": Training.UNTRAINED,
        "base": "0" * 64,
        "codec": "structured",
    }
    return ModelVersion.objects.create(**{**defaults, **fields})


def make_endpoint(*, version: ModelVersion | None = None, **fields: Any) -> Endpoint:
    """Where a version is served; nothing listens at the default address."""
    defaults = {"url": "http://127.0.0.1:9/v1", "model_name": "test-model", "engine": "fake"}
    return Endpoint.objects.create(model_version=version or make_version(), **{**defaults, **fields})


def make_serving_agent(**fields: Any) -> Endpoint:
    """A serving agent version with its endpoint; `fields` go to the endpoint."""
    serving = ModelVersion.objects.filter(role="agent", status=VersionStatus.SERVING).first()
    existing = serving and serving.endpoints.filter(active=True).first()
    return existing or make_endpoint(version=serving, **fields)


def make_consultation(
    *, case: Case | None = None, clinician: User | None = None, endpoint: Endpoint | None = None, **fields: Any
) -> Consultation:
    """A consultation without turns, waiting for its clinician."""
    case = case or make_case()
    endpoint = endpoint or make_serving_agent()
    return Consultation.objects.create(
        site=case.site,
        case=case,
        clinician=clinician or make_user(site=case.site),
        model_version=endpoint.model_version,
        endpoint=endpoint,
        **{"status": ConsultationStatus.WAITING, **fields},
    )


def make_turn(consultation: Consultation, role: str = TurnRole.CLINICIAN, **fields: Any) -> Turn:
    """The next turn, complete."""
    number = consultation.turns.count() + 1
    return Turn.objects.create(consultation=consultation, role=role, **{"number": number, "text": "…", **fields})


def make_finding(case: Case, **fields: Any) -> Finding:
    defaults = {"source": FindingSource.RECORDED, "name": "C-reactive protein", "text": "CRP 96 mg/L", "values": [CRP]}
    return Finding.objects.create(case=case, **{**defaults, **fields})


def make_simulated_result(turn: Turn, **fields: Any) -> SimulatedResult:
    case = turn.consultation.case
    defaults = {"name": "Troponin", "text": "Troponin I 4 ng/L", "world": "authored", "case_kind": case.kind}
    return SimulatedResult.objects.create(
        case=case, consultation=turn.consultation, turn=turn, **{**defaults, **fields}
    )
