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
from training.models import Deployment, DeploymentKind, Gate
from training.serving.bringing import bring_up
from training.serving.identity import check_identity
from training.serving.sentences import SENTENCES

DEMO = "demo"
SILENCE_SECONDS = 30.0
"""How long a server that is up may be too busy to say who it is."""
LOOK_SECONDS = 0.5


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
    may_be_canary = (
        version.status == VersionStatus.CANARY or VersionStatus.CANARY in version.TRANSITIONS[version.status]
    )
    if kind == DeploymentKind.CANARY and not may_be_canary:
        told = {"version": version.version, "status": version.get_status_display().lower()}
        raise Refused(SENTENCES["not_canary"].format(**told))
    gates.refuse_starter(version, by)
    gates.may_promote(version)
    _ready(version, patience)

    def switch() -> Gate | None:
        gate = gates.clearing_gate(version)
        _keep_from_patients(version, gate)
        if kind == DeploymentKind.CANARY:
            versions.begin_canary(version=version, share=share, by=by)
        else:
            versions.promote(version=version, by=by)
        return gate

    return _switched(switch, version, by, kind, began, share=share if kind == DeploymentKind.CANARY else 1.0)


def roll_back(*, by: User, reason: str, of: str = "") -> Deployment:
    """The version that served before serves again; its server is still up, or started now. Raises Refused.

    `of` names the version that the person saw serving: a second press of the button takes nothing else back.
    """
    _refuse_others(by)
    began = time.monotonic()
    if not reason.strip():
        raise Refused(SENTENCES["needs_reason"])
    bad = serving()
    _refuse_unless_serving(of or bad.version)
    back = before(bad)
    _ready(back, urgent=True)

    def switch() -> None:
        _refuse_unless_serving(bad.version)
        versions.promote(version=back, by=by, reason=reason)

    return _switched(switch, back, by, DeploymentKind.ROLLBACK, began, reason=reason)


def shadow(*, version: ModelVersion, by: User, patience: float | None = None) -> Deployment:
    """Let it answer unseen to what the serving version is asked, on cases of no real patient. Raises Refused."""
    _refuse_others(by)
    began = time.monotonic()
    version.refresh_from_db(fields=["status", "manifest"])
    if VersionStatus.SHADOW not in ModelVersion.TRANSITIONS[version.status]:
        told = {"version": version.version, "status": version.get_status_display().lower()}
        raise Refused(SENTENCES["not_shadow"].format(**told))
    _refuse_second_shadow()
    _ready(version, patience)

    def switch() -> None:
        _refuse_second_shadow()
        versions.begin_shadow(version=version, by=by)

    return _switched(switch, version, by, DeploymentKind.SHADOW, began, share=0.0)


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


def _refuse_unless_serving(name: str) -> None:
    if serving().version != name:
        raise Refused(SENTENCES["serves_no_more"].format(version=name))


def _refuse_second_shadow() -> None:
    other = ModelVersion.objects.filter(role=ModelRole.AGENT, status=VersionStatus.SHADOW).first()
    if other is not None:
        raise Refused(SENTENCES["one_shadow"].format(other=other.version))


def _ready(version: ModelVersion, patience: float | None = None, *, urgent: bool = False) -> Endpoint:
    """Its server answers, and answers as this version."""
    endpoint = bring_up(version, seconds=patience, urgent=urgent)
    deadline = time.monotonic() + min(SILENCE_SECONDS, patience or SILENCE_SECONDS)
    while not check_identity(endpoint):
        wrong = endpoint.identity_ok is False
        if wrong or time.monotonic() > deadline:
            why = str(endpoint.identity_detail.get("why", ""))
            raise Refused(SENTENCES["wrong_identity" if wrong else "silent"].format(version=version.version, why=why))
        time.sleep(LOOK_SECONDS)
    return endpoint


def _switched(
    switch: Callable[[], Gate | None],
    version: ModelVersion,
    by: User,
    kind: str,
    began: float,
    *,
    share: float = 1.0,
    reason: str = "",
) -> Deployment:
    """All rows in one transaction, one decision at a time; then the supervisor hears which version serves.

    `switch` looks once more at what allows it, and returns the gate that does.
    """
    try:
        with transaction.atomic():
            versions.lock()
            served = ModelVersion.objects.filter(role=ModelRole.AGENT, status=VersionStatus.SERVING).first()
            gate = switch()
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


def _keep_from_patients(version: ModelVersion, gate: Gate | None) -> None:
    """What passed by the demonstration's profile alone never sees a real patient's case."""
    if gate is None or gate.profile != DEMO:
        return
    # As it is now: the probe may have kept a fingerprint since `version` was read.
    locked = ModelVersion.objects.select_for_update(no_key=True).get(pk=version.pk)
    if not locked.manifest.get("demo"):
        locked.manifest |= {"demo": True}
        locked.save(update_fields=["manifest"])
    version.manifest = locked.manifest
