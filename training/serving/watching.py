"""The timer's errand: keep up what rows say should serve, and ask each server who it is."""

from __future__ import annotations

from django.conf import settings
from django.db.models import Q, QuerySet

from clinic.local import agent_state
from clinic.models import Consultation, ConsultationStatus, Endpoint, ModelRole, ModelVersion, VersionStatus
from clinic.services import agent_processes
from clinic.services.errors import Refused
from training.gates.starting import OPEN
from training.serving import bringing, lora, promotion
from training.serving.identity import check_identity

WATCHED = (VersionStatus.SERVING, VersionStatus.CANARY, VersionStatus.SHADOW)


def watch() -> dict[str, bool]:
    """Whether each version that answers somebody answers as itself, by name."""
    agent_processes.tell_supervisor()
    for version in _kept_up():
        _keep_up(version)
    if by_name():
        _unload_idle()
    endpoints = Endpoint.objects.filter(active=True).select_related("model_version")
    asked = [row for row in endpoints.filter(model_version__in=_answering()) if _is_asked(row)]
    return {endpoint.model_version.version: check_identity(endpoint) for endpoint in asked}


def by_name() -> bool:
    """Whether adapters are loaded by name into one server, instead of a server for each version."""
    return settings.SERVING == "lora" and bool(settings.LORA_URL)


def _kept_up() -> QuerySet[ModelVersion]:
    """A server that was started again has forgotten the adapters that open consultations are pinned to."""
    return _answering() if by_name() else _agents().filter(status__in=WATCHED)


def _agents() -> QuerySet[ModelVersion]:
    return ModelVersion.objects.filter(role=ModelRole.AGENT)


def _answering() -> QuerySet[ModelVersion]:
    """What serves in some way, and what open consultations keep to their end."""
    held = Consultation.objects.exclude(status=ConsultationStatus.CLOSED).values("model_version")
    return _agents().filter(Q(status__in=WATCHED) | Q(pk__in=held))


def _is_asked(endpoint: Endpoint) -> bool:
    """A retired version's server may be off until a consultation needs it; that is no finding."""
    version = endpoint.model_version
    if version.status in WATCHED or not agent_processes.offered() or agent_processes.weights_of(version) is None:
        return True
    return agent_processes.state(version).state == agent_state.READY


def _unload_idle() -> None:
    """Retired adapters that nobody is pinned to, that no gate plays, and that no rollback leads back to."""
    idle = _agents().filter(status=VersionStatus.RETIRED).exclude(adapter="").exclude(pk__in=_answering().values("pk"))
    kept = _led_back_to()
    for version in idle.exclude(gates__status__in=OPEN):
        if version == kept:
            continue
        try:
            lora.unload(version)
        except Refused:
            continue  # it does not answer, or has forgotten it: the probe of what serves there says so


def _led_back_to() -> ModelVersion | None:
    """What a rollback would bring back, if anything served before."""
    try:
        return promotion.before(promotion.serving())
    except Refused:
        return None


def _keep_up(version: ModelVersion) -> None:
    """Asked for again, or its place would be given to another; where it does not come up, the probe says so."""
    try:
        bringing.bring_up(version, wait=False)
    except Refused:
        return
