"""A version gets a server: merged weights beside the one that serves, or its adapter loaded by name."""

from __future__ import annotations

import time

from django.conf import settings

from clinic.local import agent_state
from clinic.local.agent_state import AgentState
from clinic.models import Endpoint, ModelRole, ModelVersion, VersionStatus
from clinic.services import agent_processes, versions
from clinic.services.errors import Refused
from training import places
from training.serving import files, lora
from training.serving.sentences import SENTENCES

PATIENCE = 180.0
LOOK_SECONDS = 0.5
BESIDE = (VersionStatus.CANARY, VersionStatus.SHADOW)


def bring_up(
    version: ModelVersion, *, wait: bool = True, seconds: float | None = None, urgent: bool = False
) -> Endpoint:
    """The endpoint where the version answers, its server started where it has none.

    `urgent` goes before a canary or a shadow, which otherwise keep their place beside the version that serves.
    Without `wait` it is only asked for, and Refused while it is not ready. Raises Refused. Not inside a transaction:
    the supervisor is another process, and starting takes half a minute.
    """
    if version.role != ModelRole.AGENT:
        raise Refused(SENTENCES["not_agent"].format(version=version.version))
    if settings.SERVING == "lora" and version.adapter:
        return lora.load(version)
    if not agent_processes.offered() or agent_processes.weights_of(version) is None:
        return _elsewhere(version)
    if not urgent:
        _refuse_without_place(version)
    _make_weights(version)
    seconds = PATIENCE if seconds is None else seconds
    deadline = time.monotonic() + seconds
    while True:
        state = agent_processes.want(version, urgent=urgent)
        if state.state == agent_state.READY:
            return _registered(version, state)
        if state.state == agent_state.FAILED:
            raise Refused(SENTENCES["failed"].format(version=version.version, why=state.reason))
        if not wait:
            raise Refused(SENTENCES["starting"].format(version=version.version))
        if time.monotonic() > deadline:
            raise Refused(SENTENCES["late"].format(version=version.version, seconds=seconds))
        time.sleep(LOOK_SECONDS)


def _elsewhere(version: ModelVersion) -> Endpoint:
    """A server that somebody else runs, if one is registered."""
    endpoint = version.endpoints.filter(active=True).first()
    if endpoint is None:
        raise Refused(SENTENCES["nobody_serves"])
    return endpoint


def _refuse_without_place(version: ModelVersion) -> None:
    """Two servers at once: what is beside the serving one stays until somebody takes it out."""
    states, running = agent_processes.states(), (agent_state.READY, agent_state.STARTING)
    if version.version in states or version.status == VersionStatus.SERVING:
        return
    for other in ModelVersion.objects.filter(role=ModelRole.AGENT, status__in=BESIDE).exclude(pk=version.pk):
        if other.version in states and states[other.version].state in running:
            told = {"version": version.version, "other": other.version, "as_": other.get_status_display().lower()}
            raise Refused(SENTENCES["no_place"].format(**told))


def _make_weights(version: ModelVersion) -> None:
    """Merged again where the folder is gone; adapters are kept, merged weights can be made anew."""
    if version.adapter and not (places.weights() / version.version).is_dir():
        files.merged(places.adapters() / version.version, version.base, version.version)


def _registered(version: ModelVersion, state: AgentState) -> Endpoint:
    return versions.register_endpoint(
        by=None, version=version, url=state.url, model_name=state.name, engine=state.engine
    )
