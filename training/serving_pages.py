"""What the deployments page shows: who serves and how, what may serve next, and every decision so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q

from clinic.local.agent_state import DRAINING, FAILED, OFF, READY, STARTING, AgentState
from clinic.models import Endpoint, ModelRole, ModelVersion, User, VersionStatus
from clinic.services import agent_processes
from clinic.services.errors import Refused
from training import gates
from training.models import Alarm, Deployment, Gate, ShadowTurn
from training.serving import promotion

SHOWN = 50
WORDS = {READY: "Ready", STARTING: "Starting", DRAINING: "Ending", FAILED: "Did not start", OFF: "Off"}
TONES = {READY: "ok", STARTING: "accent", DRAINING: "caution", FAILED: "danger", OFF: ""}


@dataclass(frozen=True, slots=True)
class Server:
    """How a version's server is, in words."""

    state: str
    reason: str
    tone: str

    @classmethod
    def of(cls, state: AgentState) -> Server:
        return cls(WORDS[state.state], state.reason, TONES[state.state])


@dataclass(frozen=True, slots=True)
class Row:
    """One version: its endpoint, its server, and what keeps it from serving ("" where nothing does)."""

    version: ModelVersion
    endpoint: Endpoint | None
    server: Server | None
    hindrance: str = ""
    gate: Gate | None = None


@dataclass(frozen=True, slots=True)
class Shadow:
    """What the version in shadow said so far beside the one that served."""

    answers: int
    same: int
    errors: int

    @property
    def share(self) -> float | None:
        return self.same / self.answers if self.answers else None


def board(user: User) -> dict[str, Any]:
    """Everything that changes while servers start; nothing here is of one site alone but the gates."""
    agents = list(ModelVersion.objects.filter(role=ModelRole.AGENT).order_by("-created_at")[:SHOWN])
    endpoints = {row.model_version_id: row for row in Endpoint.objects.filter(active=True, model_version__in=agents)}
    states = agent_processes.states()
    rows = [_row(version, endpoints.get(version.pk), states, user) for version in agents]
    by_status = {status: [row for row in rows if row.version.status == status] for status in VersionStatus.values}
    shadow = by_status["shadow"][0] if by_status["shadow"] else None
    return {
        "serving": by_status["serving"][0] if by_status["serving"] else None,
        "canary": by_status["canary"][0] if by_status["canary"] else None,
        "shadow": shadow,
        "shadowed": shadowed(shadow.version) if shadow else None,
        "others": [*by_status["candidate"], *by_status["retired"]],
        "back": _back(),
        "moving": any(state.state in (STARTING, DRAINING) for state in states.values()),
        "alarms": Alarm.objects.visible_to(user).filter(kind="identity", cleared_at=None),
    }


def shadowed(version: ModelVersion) -> Shadow:
    counts = ShadowTurn.objects.filter(version=version).aggregate(
        answers=Count("pk", filter=Q(error="")), same=Count("pk", filter=Q(same_action=True)), all=Count("pk")
    )
    return Shadow(counts["answers"], counts["same"], counts["all"] - counts["answers"])


def history() -> list[Deployment]:
    return list(Deployment.objects.select_related("version", "before", "by", "gate")[:SHOWN])


def _row(version: ModelVersion, endpoint: Endpoint | None, states: dict[str, AgentState], user: User) -> Row:
    waits = version.status in (VersionStatus.CANDIDATE, VersionStatus.SHADOW, VersionStatus.RETIRED)
    gate = Gate.objects.filter(candidate=version, site=user.site_id).order_by("-pk").first() if user.site_id else None
    state = states.get(version.version)
    return Row(version, endpoint, Server.of(state) if state else None, _hindrance(version) if waits else "", gate)


def _hindrance(version: ModelVersion) -> str:
    try:
        gates.may_promote(version)
    except Refused as refused:
        return str(refused)
    return ""


def _back() -> ModelVersion | None:
    """Where one click leads back to."""
    try:
        return promotion.before(promotion.serving())
    except Refused:
        return None
