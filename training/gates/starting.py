"""Starts a gate: who may, which candidate, against what, by which profile; the playing is a worker's."""

from __future__ import annotations

import uuid

from django.db import transaction
from django.utils import timezone

from clinic.models import ModelRole, ModelVersion, Site, User
from clinic.services import audit, versions
from clinic.services.errors import Refused
from training import outbox
from training.gates import profiles
from training.gates.profiles import Profile
from training.gates.sentences import SENTENCES
from training.models import Gate, GateStatus, Run

TASK = "training.tasks.gate"
DECIDED = (GateStatus.PASSED, GateStatus.FAILED, GateStatus.UNDECIDED)
OPEN = (GateStatus.QUEUED, GateStatus.RUNNING)


@transaction.atomic
def start(
    *,
    candidate: ModelVersion,
    by: User,
    profile: str = "standard",
    baseline: ModelVersion | None = None,
    seed: int = 0,
) -> Gate:
    """A queued gate of the candidate against `baseline`, by default what serves; raises Refused.

    `seed` draws other sealed patients. The primary endpoint is the profile's, written down before a case is played.
    """
    wanted = profiles.load(profile)
    baseline = baseline or versions.serving_agent()[0]
    # One at a time: two starts that look at the same rows must not both find nothing.
    ModelVersion.objects.select_for_update(no_key=True).get(pk=candidate.pk)
    site = _may_start(candidate, baseline, wanted, by)
    gate = Gate.objects.create(
        site=site,
        candidate=candidate,
        baseline=baseline,
        profile=wanted.name,
        profile_digest=wanted.digest,
        primary=wanted.primary,
        seed=seed,
        total=2 * wanted.cases,
        seen_at=timezone.now(),
        folder=f"{candidate.version[:60]}-{wanted.name}-{uuid.uuid4().hex[:12]}",
        by=by,
    )
    outbox.put(task=TASK, arguments=[gate.pk])
    facts = {"candidate": candidate.version, "baseline": baseline.version, "profile": wanted.name}
    facts |= {"profile_digest": wanted.digest, "primary": wanted.primary}
    audit.record(by=by, action="gate.started", noun="gate", target=gate.pk, data=facts)
    return gate


@transaction.atomic
def start_again(*, gate: Gate, by: User) -> Gate:
    """A gate that broke off goes on with what was played; raises Refused."""
    if not by.is_site_admin or by.site_id != gate.site_id:
        raise Refused(SENTENCES["admins_start"])
    if gate.status != GateStatus.BROKE:
        raise Refused(SENTENCES["again_only_broken"])
    if profiles.load(gate.profile).digest != gate.profile_digest:
        raise Refused(SENTENCES["profile_changed"].format(profile=gate.profile))
    _no_other(gate.candidate)
    gate.move_to(GateStatus.QUEUED, by=by, reason="asked for again", error="", finished_at=None, seen_at=timezone.now())
    outbox.put(task=TASK, arguments=[gate.pk])
    audit.record(by=by, action="gate.started_again", noun="gate", target=gate.pk)
    return gate


def run_of(version: ModelVersion) -> Run | None:
    """The run that made it, None for a version that came another way."""
    return Run.objects.filter(version=version).select_related("snapshot", "by").first()


def _may_start(candidate: ModelVersion, baseline: ModelVersion, profile: Profile, by: User) -> Site:
    """The site that starts it."""
    name = candidate.version
    if not by.is_site_admin or by.site is None:
        raise Refused(SENTENCES["admins_start"])
    if candidate.role != ModelRole.AGENT:
        raise Refused(SENTENCES["not_agent"].format(version=name))
    if baseline.role != ModelRole.AGENT:
        raise Refused(SENTENCES["no_endpoint_role"].format(version=baseline.version))
    if candidate.pk == baseline.pk:
        raise Refused(SENTENCES["itself"].format(version=name))
    run = run_of(candidate)
    if run and run.site_id != by.site_id:
        raise Refused(SENTENCES["other_site"].format(version=name))
    if not profiles.is_allowed(profile):
        raise Refused(SENTENCES["demo_profile"].format(profile=profile.title))
    _no_other(candidate)
    _not_decided(candidate, baseline, profile)
    return by.site


def _no_other(candidate: ModelVersion) -> None:
    if candidate.gates.filter(status__in=OPEN).exists():
        raise Refused(SENTENCES["running"].format(version=candidate.version))


def _not_decided(candidate: ModelVersion, baseline: ModelVersion, profile: Profile) -> None:
    """Nothing that failed one gate is tried again until it passes (decisions.md 23)."""
    failed = candidate.gates.filter(status=GateStatus.FAILED).first()
    if failed:
        raise Refused(SENTENCES["failed_before"].format(version=candidate.version, gate=failed.pk))
    same = candidate.gates.filter(status__in=DECIDED, baseline=baseline, profile_digest=profile.digest).first()
    if same:
        told = {"version": candidate.version, "baseline": baseline.version, "gate": same.pk}
        raise Refused(SENTENCES["decided"].format(**told))
