"""What a version's card tells, from rows alone: data, physicians, recipe, gates, who let it serve, its limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q

from clinic.models import ModelVersion, Training
from training.models import (
    ChangeRecord,
    CheckOutcome,
    Deployment,
    DeploymentKind,
    Gate,
    GateCheck,
    GateStatus,
    Run,
    Signature,
    Snapshot,
)

DECIDED = (GateStatus.PASSED, GateStatus.FAILED, GateStatus.UNDECIDED)


@dataclass(frozen=True, slots=True)
class Learned:
    """What a snapshot held: counts, never a case."""

    judgements: int = 0
    cases: int = 0
    patients: int = 0
    annotators: int = 0
    rubrics: int = 0
    excluded: dict[str, int] = field(default_factory=dict)
    removed: int = 0
    kept_back: int = 0
    """Judgements of the validation split."""


@dataclass(frozen=True, slots=True)
class Card:
    """One version; `gate` is the newest that was decided, `checks` are its own."""

    version: ModelVersion
    run: Run | None
    snapshot: Snapshot | None
    learned: Learned | None
    gate: Gate | None
    checks: list[GateCheck]
    signatures: list[Signature]
    deployments: list[Deployment]
    """Newest first: by which it came to serve, and by which another took its place."""
    limits: list[str]
    record: ChangeRecord | None = None
    """The newest that was written of it: a later gate takes nothing back of what was signed."""

    @property
    def note(self) -> str:
        """The release note that clinicians read; '' where nobody wrote one."""
        return self.record.note or self.record.modification if self.record else ""


def card_of(version: ModelVersion) -> Card:
    """Of an untrained version there is nothing to tell, and nothing is asked of the database."""
    if version.training == Training.UNTRAINED:
        return Card(version, None, None, None, None, [], [], [], limits(version, None, []))
    run = Run.objects.filter(version=version).select_related("snapshot", "start", "by").first()
    snapshot = run.snapshot if run else None
    gates = Gate.objects.filter(candidate=version, status__in=DECIDED).select_related("baseline")
    gate = gates.order_by("-pk").first()
    checks = list(gate.checks.all()) if gate else []
    record = ChangeRecord.objects.filter(gate__candidate=version).order_by("-pk").first()
    switched = Q(before=version, kind__in=(DeploymentKind.FULL, DeploymentKind.ROLLBACK))
    deployments = Deployment.objects.filter(Q(version=version) | switched).select_related("version", "by", "before")
    return Card(
        version=version,
        run=run,
        snapshot=snapshot,
        learned=learned(snapshot) if snapshot else None,
        gate=gate,
        checks=checks,
        signatures=list(record.signatures.select_related("by")) if record else [],
        deployments=list(deployments[:20]),
        limits=limits(version, gate, checks),
        record=record,
    )


def learned(snapshot: Snapshot) -> Learned:
    told: dict[str, Any] = snapshot.manifest
    feedback, cases = told.get("feedback") or [], told.get("cases") or []
    return Learned(
        judgements=len(feedback),
        cases=len(cases),
        patients=len({case.get("person") for case in cases}),
        annotators=len(told.get("annotators") or []),
        rubrics=len(told.get("rubric_versions") or []),
        excluded={why: len(ids) for why, ids in (told.get("excluded") or {}).items()},
        removed=len(told.get("removed") or []),
        kept_back=sum(row.get("split") == "validation" for row in feedback),
    )


def limits(version: ModelVersion, gate: Gate | None, checks: list[GateCheck]) -> list[str]:
    """Sentences, each true of this version's own rows."""
    found = [OF_TRAINING[Training(version.training)]]
    if version.manifest.get("demo"):
        found.append("For demonstrations: it never sees a real patient’s case.")
    if gate is None:
        found.append("It has not been compared with another version on sealed cases.")
        return found
    if gate.status == GateStatus.FAILED:
        worse = [check.title.lower() for check in checks if check.outcome == CheckOutcome.FAILED]
        found.append(f"It did not pass its newest gate: {', '.join(worse) or 'see there'}.")
    if gate.profile == "demo":
        found.append("It was compared by the demonstration’s profile, which lets more checks be missing.")
    found += [f"Not run: {check.title.lower()}." for check in checks if check.outcome == CheckOutcome.NOT_RUN]
    found += [f"Undecided: {check.title.lower()}." for check in checks if check.outcome == CheckOutcome.UNDECIDED]
    return found


OF_TRAINING = {
    Training.UNTRAINED: "An untrained base model: it carries no medical knowledge of its own.",
    Training.VIRTUAL: "Trained on virtual patients, whose results are simulated. Not validated on real ones.",
    Training.EXTERNAL: "Somebody else’s model: what it was trained on is not known here.",
}
