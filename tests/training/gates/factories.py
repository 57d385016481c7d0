"""Gates as rows, without playing them: candidates that a run made, checks, verdicts, records, signatures."""

from __future__ import annotations

import hashlib
from itertools import count
from typing import Any

from clinic.models import ModelVersion, Role, User
from tests.clinic.factories import default_site, make_serving_agent, make_user, make_version
from training.gates import profiles, records
from training.models import ChangeRecord, Gate, GateCheck, Run

_numbers = count(1)
TEXTS = {"modification": "Trained further.", "protocol": "Compared on sealed cases.", "impact": "Better diagnoses."}


def make_candidate(*, by: User | None = None, site: Any = None, **fields: Any) -> ModelVersion:
    """A version that a finished run made; `by` started that run."""
    version = make_version(status="candidate", training="virtual", adapter="a" * 64, **fields)
    run = Run.objects.create(
        site=site or (by.site if by else default_site()),
        trainer="grpo",
        recipe="default",
        status="succeeded",
        folder=f"run-{next(_numbers)}",
        by=by or make_user(Role.ADMIN, site=site),
    )
    Run.objects.filter(pk=run.pk).update(version=version)
    return version


def starter_of(version: ModelVersion) -> User:
    by = Run.objects.get(version=version).by
    assert by is not None
    return by


def make_gate(candidate: ModelVersion | None = None, *, profile: str = "demo", **fields: Any) -> Gate:
    """A gate that is being played; no check is written yet."""
    wanted = profiles.load(profile)
    candidate = candidate or make_candidate()
    defaults = {
        "site": fields.get("site") or default_site(),
        "candidate": candidate,
        "baseline": make_serving_agent().model_version,
        "profile": profile,
        "profile_digest": wanted.digest,
        "primary": wanted.primary,
        "status": "running",
        "n": 204,
        "total": 408,
        "folder": f"gate-{next(_numbers)}",
    }
    return Gate.objects.create(**{**defaults, **fields})


def make_check(gate: Gate, name: str = "physicians", kind: str = "primary", outcome: str = "passed", **fields: Any):
    """By default the primary endpoint of the demo profile, improved."""
    better = {"candidate": 0.8, "baseline": 0.6, "difference": 0.2, "low": 0.1, "high": 0.3, "p": 0.001, "n": gate.n}
    extra = {"title": name, "margin": None if kind == "primary" else 0.1, "position": gate.checks.count()}
    return GateCheck.objects.create(gate=gate, name=name, kind=kind, outcome=outcome, **{**better, **extra, **fields})


def make_passed(candidate: ModelVersion | None = None, **fields: Any) -> Gate:
    gate = make_gate(candidate, **fields)
    make_check(gate)
    make_check(gate, "accuracy", "non_inferior")
    gate.move_to("passed", by=None)
    return gate


def make_record(gate: Gate | None = None, **fields: Any) -> ChangeRecord:
    gate = gate or make_passed()
    by = fields.pop("by", None) or make_user(Role.ADMIN, site=gate.site)
    return records.write_record(gate=gate, by=by, **{**TEXTS, **fields})


def make_signed(candidate: ModelVersion | None = None) -> ModelVersion:
    """A candidate that may serve."""
    candidate = candidate or make_candidate()
    record = make_record(make_passed(candidate))
    records.sign(record=record, by=make_user(Role.ADJUDICATOR), role="physician")
    records.sign(record=record, by=make_user(Role.ADMIN), role="admin")
    return candidate


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
