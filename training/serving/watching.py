"""The timer's errand: keep up what rows say should serve, and ask each server who it is."""

from __future__ import annotations

from clinic.models import Endpoint, ModelRole, ModelVersion, VersionStatus
from clinic.services import agent_processes
from clinic.services.errors import Refused
from training.serving import bringing
from training.serving.identity import check_identity

WATCHED = (VersionStatus.SERVING, VersionStatus.CANARY, VersionStatus.SHADOW)


def watch() -> dict[str, bool]:
    """Whether each version that serves in some way answers as itself, by name."""
    agent_processes.tell_supervisor()
    for version in ModelVersion.objects.filter(role=ModelRole.AGENT, status__in=WATCHED):
        _keep_up(version)
    endpoints = Endpoint.objects.filter(active=True, model_version__role=ModelRole.AGENT)
    watched = endpoints.filter(model_version__status__in=WATCHED).select_related("model_version")
    return {endpoint.model_version.version: check_identity(endpoint) for endpoint in watched}


def _keep_up(version: ModelVersion) -> None:
    """Asked for again, or its place would be given to another; where it does not come up, the probe says so."""
    try:
        bringing.bring_up(version, wait=False)
    except Refused:
        return
