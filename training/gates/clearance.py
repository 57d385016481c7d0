"""Whether a version may serve: a passed gate by an allowed profile, and two people's signatures under its record."""

from __future__ import annotations

from clinic.models import ModelRole, ModelVersion, User, VersionStatus
from clinic.services.errors import Refused
from training.gates import profiles
from training.gates.sentences import SENTENCES
from training.gates.starting import DECIDED, run_of
from training.models import ChangeRecord, Gate, GateStatus, SignatureRole

WHO = {SignatureRole.PHYSICIAN: "an adjudicating physician", SignatureRole.ADMIN: "an administrator"}


def may_promote(version: ModelVersion) -> None:
    """Returns where it may serve patients' clinicians, in any share; else raises Refused with the reason.

    What served before may come back without another gate, unless it failed one since. World models and judges have
    no gate of this kind.
    """
    clearing_gate(version)


def clearing_gate(version: ModelVersion) -> Gate | None:
    """The gate by which it may serve, None where it needs none; raises Refused as may_promote does."""
    if version.role != ModelRole.AGENT:
        return None
    _refuse_failed(version)
    if served_before(version):
        return None
    gate = _passed(version)
    _signed(version, _record(version, gate))
    _of_today(version, gate)
    return gate


def refuse_starter(version: ModelVersion, by: User) -> None:
    """Who started the run does not let its version serve (decisions.md 24); raises Refused."""
    run = run_of(version)
    if run is not None and run.by_id == by.pk:
        raise Refused(SENTENCES["starter_promotes"].format(version=version.version))


def is_cleared(version: ModelVersion) -> bool:
    try:
        may_promote(version)
    except Refused:
        return False
    return True


def served_before(version: ModelVersion) -> bool:
    """Whether it has served in full, so that going back to it is a rollback."""
    return version.history().filter(new=VersionStatus.SERVING).exists()


def _refuse_failed(version: ModelVersion) -> None:
    failed = version.gates.filter(status=GateStatus.FAILED).order_by("-pk").first()
    if failed:
        raise Refused(SENTENCES["failed_gate"].format(version=version.version, gate=failed.pk))


def _passed(version: ModelVersion) -> Gate:
    decided = list(version.gates.filter(status__in=DECIDED).order_by("-pk"))
    if not decided:
        raise Refused(SENTENCES["no_gate"].format(version=version.version))
    newest = decided[0]
    if newest.status != GateStatus.PASSED:
        told = {"version": version.version, "status": newest.get_status_display().lower()}
        raise Refused(SENTENCES["newest_not_passed"].format(**told))
    passed = [gate for gate in decided if gate.status == GateStatus.PASSED]
    good = next((gate for gate in passed if profiles.is_allowed(profiles.load(gate.profile))), None)
    if good is None:
        told = {"version": version.version, "profile": newest.profile}
        raise Refused(SENTENCES["profile_not_allowed"].format(**told))
    return good


def _of_today(version: ModelVersion, gate: Gate) -> None:
    """Better than what served then says nothing against what serves now."""
    serving = ModelVersion.objects.filter(role=ModelRole.AGENT, status=VersionStatus.SERVING).first()
    if serving is not None and serving.pk != gate.baseline_id:
        told = {"version": version.version, "baseline": gate.baseline.version, "serving": serving.version}
        raise Refused(SENTENCES["another_serves"].format(**told))


def _record(version: ModelVersion, gate: Gate) -> ChangeRecord:
    record = ChangeRecord.objects.filter(gate=gate).first()
    if record is None:
        raise Refused(SENTENCES["no_record"].format(version=version.version))
    return record


def _signed(version: ModelVersion, record: ChangeRecord) -> None:
    signed = {row.role: row for row in record.signatures.filter(digest=record.digest)}
    missing = [who for role, who in WHO.items() if role not in signed]
    if missing:
        raise Refused(SENTENCES["unsigned"].format(version=version.version, missing=" and ".join(missing)))
    people = {row.by_id for row in signed.values()}
    run = run_of(version)
    if len(people) < len(WHO) or (run is not None and run.by_id in people):
        raise Refused(SENTENCES["wrong_signers"].format(version=version.version))
