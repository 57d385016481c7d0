"""Servers of versions on this machine: what web and worker ask of the supervisor, and what it said.

Rows say which version serves and which consultation is pinned to which; this makes processes follow them.
"""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from clinic.local import agent_state
from clinic.local.agent_state import AgentState
from clinic.models import Endpoint, ModelRole, ModelVersion, VersionStatus
from clinic.services import versions


def offered() -> bool:
    """Whether a supervisor here starts servers for versions."""
    return bool(settings.EMBEDDED_AGENTS)


def weights_of(version: ModelVersion) -> Path | None:
    """The model folder that a server of it loads; None where this machine has none."""
    named = version.manifest.get("weights")
    if named and settings.WEIGHTS_FOLDER:
        return Path(settings.WEIGHTS_FOLDER) / str(named)
    if settings.EMBEDDED_MODEL:
        return versions.default_folder(version)
    return None


def want(version: ModelVersion, *, urgent: bool = False) -> AgentState:
    """Ask for a server of it, or to keep that; how far it is."""
    folder = weights_of(version)
    if folder is None or not offered():
        return AgentState()
    agent_state.want(Path(settings.EMBEDDED_AGENTS), version.version, folder, urgent=urgent)
    return state(version)


def let_go(version: ModelVersion) -> None:
    """Nobody waits for it now: it stays up only until its place is needed. Consultations that it has ask again."""
    if offered():
        agent_state.forget(Path(settings.EMBEDDED_AGENTS), version.version)


def state(version: ModelVersion) -> AgentState:
    return states().get(version.version, AgentState())


def states() -> dict[str, AgentState]:
    """By version; empty where no supervisor serves versions."""
    return agent_state.read(Path(settings.EMBEDDED_AGENTS)) if offered() else {}


def is_up(endpoint: Endpoint) -> bool:
    """Whether a pinned consultation can be answered now; where not, its server is asked for, before everybody else's.

    True also where no supervisor of ours has a say: the request itself will tell.
    """
    if not offered():
        return True
    version = endpoint.model_version
    told = state(version)
    if told.state == agent_state.READY:
        _follow(endpoint, told)
        return True
    return weights_of(version) is None or want(version, urgent=True).state == agent_state.READY


def may_come_up(endpoint: Endpoint) -> bool:
    """Whether waiting for it makes sense."""
    return state(endpoint.model_version).state != agent_state.FAILED


def _follow(endpoint: Endpoint, told: AgentState) -> None:
    """A server that came up at another port keeps its consultations."""
    if endpoint.url != told.url:
        versions.register_endpoint(
            by=None,
            version=endpoint.model_version,
            url=told.url,
            model_name=told.name,
            engine=told.engine,
            api_key_variable=endpoint.api_key_variable,
        )
        endpoint.url = told.url


def tell_supervisor() -> None:
    """Which version serves: after every switch, and at a start, when only rows remember."""
    if not offered():
        return
    serving = ModelVersion.objects.filter(role=ModelRole.AGENT, status=VersionStatus.SERVING).first()
    if serving is None:
        return
    is_default = not serving.manifest.get("weights")
    agent_state.serve(Path(settings.EMBEDDED_AGENTS), serving.version, None if is_default else weights_of(serving))
