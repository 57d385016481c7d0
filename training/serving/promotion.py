"""Which version serves: in shadow, for a share of new consultations, in full, and back again."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.db import transaction

from clinic.models import (
    Endpoint,
    IllegalTransition,
    ModelRole,
    ModelVersion,
    StaleStatus,
    User,
    VersionStatus,
)
from clinic.services import agent_processes, audit, versions
from clinic.services.errors import Refused
from training.models import Deployment, DeploymentKind, Gate, GateStatus
from training.serving.bringing import bring_up
from training.serving.identity import check_identity
from training.serving.sentences import SENTENCES

DEMO = "demo"


def promote(
    *,
    version: ModelVersion,
    by: User,
    share: float = 1.0,
    kind: str = DeploymentKind.FULL,
    patience: float | None = None,
) -> Deployment:
    """Let it serve in full, or with kind "canary" a share of new consultations. Raises Refused.

    `patience` is how many seconds its server may take to start. Its gate and signatures are looked at before that and
    again in the transaction that switches. Open consultations keep their version; the server of the one before stays
    up for a rollback.
    """
    from training import gates

    _refuse_others(by)
    began = time.monotonic()
    if kind == DeploymentKind.CANARY and not 0 < share < 1:
        raise Refused(SENTENCES["share"])
    version.refresh_from_db(fields=["status", "manifest"])
    if kind == DeploymentKind.FULL and version.status == VersionStatus.SERVING:
        raise Refused(SENTENCES["serves"].format(version=version.version))
    gates.may_promote(version)
    _ready(version, patience)

    def switch() -> None:
        gates.may_promote(version)
        _keep_from_patients(version)
        if kind == DeploymentKind.CANARY:
            versions.begin_canary(version=version, share=share, by=by)
        else:
            versions.promote(version=version, by=by)

    gate = _gate(version)
    return _switched(switch, version, by, kind, began, share=share if kind == DeploymentKind.CANARY else 1.0, gate=gate)


def roll_back(*, by: User, reason: str) -> Deployment:
    """The version that served before serves again; its server is still up, or started now. Raises Refused."""
    _refuse_others(by)
    began = time.monotonic()
    if not reason.strip():
        raise Refused(SENTENCES["needs_reason"])
    back = before(serving())
    _ready(back, urgent=True)
    return _switched(
        lambda: versions.promote(version=back, by=by, reason=reason),
        back,
        by,
        DeploymentKind.ROLLBACK,
        began,
        reason=reason,
    )


def shadow(*, version: ModelVersion, by: User, patience: float | None = None) -> Deployment:
    """Let it answer unseen to what the serving version is asked, on cases of no real patient. Raises Refused."""
    _refuse_others(by)
    began = time.monotonic()
    version.refresh_from_db(fields=["status", "manifest"])
    if VersionStatus.SHADOW not in ModelVersion.TRANSITIONS[version.status]:
        told = {"version": version.version, "status": version.get_status_display().lower()}
        raise Refused(SENTENCES["not_shadow"].format(**told))
    other = ModelVersion.objects.filter(role=ModelRole.AGENT, status=VersionStatus.SHADOW).first()
    if other is not None:
        raise Refused(SENTENCES["one_shadow"].format(other=other.version))
    _ready(version, patience)
    return _switched(
        lambda: versions.begin_shadow(version=version, by=by), version, by, DeploymentKind.SHADOW, began, share=0.0
    )


def withdraw(*, version: ModelVersion, by: User, reason: str) -> Deployment:
    """Out of shadow or canary; consultations it has keep it. Raises Refused."""
    _refuse_others(by)
    began = time.monotonic()
    if not reason.strip():
        raise Refused(SENTENCES["needs_reason"])
    version.refresh_from_db(fields=["status"])
    if version.status not in (VersionStatus.SHADOW, VersionStatus.CANARY):
        raise Refused(SENTENCES["not_beside"].format(version=version.version))
    return _switched(
        lambda: versions.retire(version=version, by=by, reason=reason),
        version,
        by,
        DeploymentKind.WITHDRAWN,
        began,
        share=0.0,
        reason=reason,
    )


def serving() -> ModelVersion:
    found = ModelVersion.objects.filter(role=ModelRole.AGENT, status=VersionStatus.SERVING).first()
    if found is None:
        raise Refused(SENTENCES["nobody"])
    return found


def before(version: ModelVersion) -> ModelVersion:
    """The version that served until this one was promoted, however often people went back and forth since."""
    made = Deployment.objects.filter(version=version, kind=DeploymentKind.FULL).exclude(before=None).first()
    if made is None or made.before is None or made.before_id == version.pk:
        raise Refused(SENTENCES["nothing_before"].format(version=version.version))
    return made.before


def _refuse_others(by: User) -> None:
    if not by.is_site_admin:
        raise Refused(SENTENCES["admins"])


def _ready(version: ModelVersion, patience: float | None = None, *, urgent: bool = False) -> Endpoint:
    """Its server answers, and answers as this version."""
    endpoint = bring_up(version, seconds=patience, urgent=urgent)
    if not check_identity(endpoint):
        wrong = endpoint.identity_ok is False
        why = str(endpoint.identity_detail.get("why", ""))
        raise Refused(SENTENCES["wrong_identity" if wrong else "silent"].format(version=version.version, why=why))
    return endpoint


def _switched(
    switch: Callable[[], object],
    version: ModelVersion,
    by: User,
    kind: str,
    began: float,
    *,
    share: float = 1.0,
    reason: str = "",
    gate: Gate | None = None,
) -> Deployment:
    """All rows in one transaction, then the supervisor hears which version serves."""
    try:
        with transaction.atomic():
            served = ModelVersion.objects.filter(role=ModelRole.AGENT, status=VersionStatus.SERVING).first()
            switch()
            made = Deployment.objects.create(
                version=version,
                before=served if served and served.pk != version.pk else None,
                kind=kind,
                share=share,
                gate=gate,
                reason=reason,
                seconds=round(time.monotonic() - began, 3),
                by=by,
            )
            facts = {"kind": kind, "share": share, "reason": reason, "before": served.version if served else None}
            audit.record(by=by, action=f"deployment.{kind}", noun="deployment", target=version.version, data=facts)
    except (IllegalTransition, StaleStatus) as error:
        version.refresh_from_db()
        raise Refused(SENTENCES["moved"].format(version=version.version)) from error
    agent_processes.tell_supervisor()
    if kind == DeploymentKind.WITHDRAWN:
        agent_processes.let_go(version)
    elif made.before and kind in (DeploymentKind.FULL, DeploymentKind.ROLLBACK):
        agent_processes.let_go(made.before)
    return made


def _gate(version: ModelVersion) -> Gate | None:
    return Gate.objects.filter(candidate=version, status=GateStatus.PASSED).order_by("-pk").first()


def _keep_from_patients(version: ModelVersion) -> None:
    """What passed by the demonstration's profile alone never sees a real patient's case."""
    gate = _gate(version)
    if gate is not None and gate.profile == DEMO and not version.manifest.get("demo"):
        version.manifest |= {"demo": True}
        version.save(update_fields=["manifest"])
