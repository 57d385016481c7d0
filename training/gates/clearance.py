"""Whether a version may serve: a passed gate by an allowed profile, and two people's signatures under its record."""

from __future__ import annotations

from clinic.models import ModelRole, ModelVersion, VersionStatus
from clinic.services.errors import Refused
from training.gates import profiles
from training.gates.sentences import SENTENCES
from training.gates.starting import DECIDED, run_of
from training.models import ChangeRecord, Gate, GateStatus, SignatureRole

WHO = {SignatureRole.PHYSICIAN: "an adjudicating physician", SignatureRole.ADMIN: "an administrator"}


def may_promote(version: ModelVersion) -> None:
    """Returns where it may serve patients' clinicians, in any share; else raises Refused with the reason.

    What served before may come back without another gate. World models and judges have no gate of this kind.
    """
    if version.role != ModelRole.AGENT or served_before(version):
        return
    gate = _passed(version)
    _signed(version, _record(version, gate))
    _of_today(version, gate)


def is_cleared(version: ModelVersion) -> bool:
    try:
        may_promote(version)
    except Refused:
        return False
    return True


def served_before(version: ModelVersion) -> bool:
    """Whether it has served in full, so that going back to it is a rollback."""
    return version.history().filter(new=VersionStatus.SERVING).exists()


def _passed(version: ModelVersion) -> Gate:
    decided = list(version.gates.filter(status__in=DECIDED).order_by("-pk"))
    if not decided:
        raise Refused(SENTENCES["no_gate"].format(version=version.version))
    failed = next((gate for gate in decided if gate.status == GateStatus.FAILED), None)
    if failed:
        raise Refused(SENTENCES["failed_gate"].format(version=version.version, gate=failed.pk))
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
