"""Registers versions and endpoints, promotes one to serve, and says which agent serves now."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from agents.weights import merge
from clinic.local import default_model
from clinic.local.problem import LocalProblem
from clinic.models import Endpoint, ModelRole, ModelVersion, StatusChange, Training, User, VersionStatus
from clinic.services import audit
from clinic.services.errors import SENTENCES, Refused

LOCK = 0x766572  # registration and promotion, one at a time across processes
SETTLED = ("role", "training", "base", "adapter", "codec")


@dataclass(frozen=True, slots=True)
class AgentOfEnvironment:
    """The agent that POLICY_URL and its companions describe."""

    version: str
    name: str
    base: str
    training: str
    url: str
    model_name: str
    engine: str
    codec: str
    adapter: str = ""
    manifest: dict[str, object] = field(default_factory=dict)


def serving_agent() -> tuple[ModelVersion, Endpoint]:
    """The one agent version that serves, and where; the environment's agent when none has been registered yet."""
    found = _serving() or _serving_after_first_registration()
    if found is None:
        raise Refused(SENTENCES["no_agent"])
    return found


def agent_for(consultation: UUID, *, of_patient: bool = False) -> tuple[ModelVersion, Endpoint]:
    """The agent of a new consultation: by its id the canary, for the canary's share of them, else who serves.

    A server that was found to answer as something else gets no consultation; Refused where that is the serving one.
    `of_patient`: a canary that may not see patients' cases takes no share of theirs.
    """
    canary = _canary()
    may = canary and canary.identity_ok is not False and (canary.model_version.may_see_patients or not of_patient)
    if canary and may and _lot(consultation) < canary.traffic_share:
        return canary.model_version, canary
    version, endpoint = serving_agent()
    if endpoint.identity_ok is False:
        raise Refused(SENTENCES["wrong_identity"])
    return version, endpoint


def _canary() -> Endpoint | None:
    found = Endpoint.objects.select_related("model_version").filter(active=True)
    return found.filter(model_version__role=ModelRole.AGENT, model_version__status=VersionStatus.CANARY).first()


def _lot(consultation: UUID) -> float:
    """In [0, 1), the same for the same id."""
    return int(hashlib.sha256(consultation.bytes).hexdigest()[:8], 16) / 2**32


def _serving() -> tuple[ModelVersion, Endpoint] | None:
    endpoint = (
        Endpoint.objects.select_related("model_version")
        .filter(model_version__role=ModelRole.AGENT, model_version__status=VersionStatus.SERVING, active=True)
        .first()
    )
    return (endpoint.model_version, endpoint) if endpoint else None


def _serving_after_first_registration() -> tuple[ModelVersion, Endpoint] | None:
    follow_environment()
    return _serving()


@transaction.atomic
def register(
    *,
    by: User | None,
    role: str,
    version: str,
    name: str,
    base: str,
    adapter: str = "",
    codec: str = "structured",
    training: str = Training.UNTRAINED,
    manifest: dict[str, object] | None = None,
) -> ModelVersion:
    """The version of that name, made unless it exists; the same name for other weights is refused."""
    lock()
    wanted = {"role": role, "base": base, "adapter": adapter, "codec": codec, "training": training}
    found = ModelVersion.objects.filter(version=version).first()
    if found is None:
        found = ModelVersion.objects.create(version=version, name=name, manifest=manifest or {}, **wanted)
        audit.record(by=by, action="version.registered", noun="model_version", target=version, data=wanted)
    elif any(getattr(found, field) != wanted[field] for field in SETTLED):
        raise Refused(f"{version} is already registered with other weights; a version's name is never used again.")
    return found


@transaction.atomic
def register_endpoint(
    *,
    by: User | None,
    version: ModelVersion,
    url: str,
    model_name: str,
    engine: str = "",
    api_key_variable: str = "",
) -> Endpoint:
    """Where the version is served. It keeps its row when the server moves, so that open consultations go along."""
    lock()
    wanted = {"url": url.rstrip("/"), "model_name": model_name, "engine": engine, "api_key_variable": api_key_variable}
    endpoint = version.endpoints.filter(active=True).first() or Endpoint(model_version=version)
    if endpoint.pk is None or any(getattr(endpoint, field) != value for field, value in wanted.items()):
        for field, value in wanted.items():
            setattr(endpoint, field, value)
        endpoint.probed_at = endpoint.probe_ok = endpoint.probe_ms = None
        # What an earlier server answered says nothing about this one.
        endpoint.identity_at, endpoint.identity_ok, endpoint.identity_detail = None, None, {}
        endpoint.save()
        audit.record(by=by, action="endpoint.set", noun="model_version", target=version.version, data=wanted)
    return endpoint


@transaction.atomic
def promote(*, version: ModelVersion, by: User | None, reason: str = "") -> ModelVersion:
    """Let it serve its role; the one that served is retired in the same transaction."""
    lock()
    if not version.endpoints.filter(active=True).exists():
        raise Refused(f"{version.version} has no endpoint yet, so it cannot serve.")
    for other in ModelVersion.objects.filter(role=version.role, status=VersionStatus.SERVING).exclude(pk=version.pk):
        retire(version=other, by=by, reason=reason)
    if version.status != VersionStatus.SERVING:
        version.endpoints.filter(active=True).update(traffic_share=1.0)
        version.move_to(VersionStatus.SERVING, by=by, reason=reason)
        audit.record(
            by=by,
            action="version.promoted",
            noun="model_version",
            target=version.version,
            data={"role": version.role, "reason": reason},
        )
    return version


@transaction.atomic
def begin_canary(*, version: ModelVersion, share: float, by: User | None, reason: str = "") -> ModelVersion:
    """Let it answer a share of new consultations; the canary before it is retired."""
    lock()
    if not 0 < share < 1:
        raise Refused("A canary answers more than none and fewer than all new consultations.")
    endpoint = version.endpoints.filter(active=True).first()
    if endpoint is None:
        raise Refused(f"{version.version} has no endpoint yet, so it cannot serve.")
    for other in ModelVersion.objects.filter(role=version.role, status=VersionStatus.CANARY).exclude(pk=version.pk):
        retire(version=other, by=by, reason=f"{version.version} takes its place as canary")
    Endpoint.objects.filter(pk=endpoint.pk).update(traffic_share=share)
    if version.status != VersionStatus.CANARY:
        version.move_to(VersionStatus.CANARY, by=by, reason=reason)
    facts = {"share": share, "reason": reason}
    audit.record(by=by, action="version.canary", noun="model_version", target=version.version, data=facts)
    return version


@transaction.atomic
def begin_shadow(*, version: ModelVersion, by: User | None, reason: str = "") -> ModelVersion:
    """Let it answer unseen beside the one that serves."""
    lock()
    version.move_to(VersionStatus.SHADOW, by=by, reason=reason)
    audit.record(by=by, action="version.shadow", noun="model_version", target=version.version, data={"reason": reason})
    return version


@transaction.atomic
def keep_fingerprint(*, version: ModelVersion, name: str, fingerprint: dict[str, object], source: str) -> ModelVersion:
    """What its weights answer to the identity probes; kept once, since a later one could be another's."""
    locked = ModelVersion.objects.select_for_update(no_key=True).get(pk=version.pk)
    if "fingerprint" not in locked.manifest:
        locked.manifest |= {"probe": name, "fingerprint": fingerprint, "fingerprint_from": source}
        locked.save(update_fields=["manifest"])
        facts = {"probe": name, "from": source}
        audit.record(by=None, action="version.fingerprinted", noun="model_version", target=version.version, data=facts)
    version.manifest = locked.manifest
    return locked


@transaction.atomic
def retire(*, version: ModelVersion, by: User | None, reason: str = "") -> None:
    """Stop opening consultations with it; those already open keep their pinned endpoint."""
    version.move_to(VersionStatus.RETIRED, by=by, reason=reason)
    audit.record(by=by, action="version.retired", noun="model_version", target=version.version, data={"reason": reason})


def serve_what_is_named() -> bool:
    """Where nobody serves, the agent that the environment names, once its weights are made; whether one serves."""
    return _serving() is not None or _serving_after_first_registration() is not None


@transaction.atomic
def follow_environment() -> ModelVersion | None:
    """Register and serve what POLICY_URL names, unless a person has promoted another version.

    None where POLICY_URL is not set or the embedded server's weights are still being made. In the latter case
    an older embedded version is retired: its address will answer with other weights.
    """
    lock()
    wanted = agent_of_environment()
    serving = ModelVersion.objects.filter(role=ModelRole.AGENT, status=VersionStatus.SERVING).first()
    kept = serving is not None and _promoted_by_a_person(serving)
    if wanted is None:
        if serving and not kept and settings.EMBEDDED_MODEL:
            retire(version=serving, by=None, reason="its weights are being replaced")
        return None
    version = register(
        by=None,
        role=ModelRole.AGENT,
        version=wanted.version,
        name=wanted.name,
        base=wanted.base,
        adapter=wanted.adapter,
        codec=wanted.codec,
        training=wanted.training,
        manifest=wanted.manifest,
    )
    register_endpoint(
        by=None,
        version=version,
        url=wanted.url,
        model_name=wanted.model_name,
        engine=wanted.engine,
        api_key_variable="POLICY_API_KEY" if os.environ.get("POLICY_API_KEY") else "",
    )
    return version if kept else promote(version=version, by=None, reason="named by the environment")


def agent_of_environment() -> AgentOfEnvironment | None:
    if not settings.POLICY_URL:
        return None
    return _embedded() if settings.EMBEDDED_MODEL else _external()


def _embedded() -> AgentOfEnvironment | None:
    """The default model, named by the sha256 over its weights; None until they are made."""
    try:
        model = default_model.chosen()
    except LocalProblem as problem:
        raise Refused(str(problem)) from problem
    folder = model.find(Path(settings.WEIGHTS_FOLDER)) if settings.WEIGHTS_FOLDER else None
    told = default_model.manifest(folder) if folder else {}
    base = settings.POLICY_BASE or str(told.get("content", ""))
    if not base:
        return None
    engine = settings.POLICY_ENGINE or "vllm-cpu"
    learned = default_model.trained(folder) if folder else None
    if folder and learned:
        return _shipped(folder, learned, name=model.title, engine=engine)
    return AgentOfEnvironment(
        version=f"dx-base-{base[:12]}",
        name=model.title,
        base=base,
        training=Training.UNTRAINED,
        url=settings.POLICY_URL,
        model_name=settings.POLICY_MODEL,
        engine=engine,
        codec=str(told.get("codec") or settings.POLICY_CODEC),
    )


def _shipped(folder: Path, told: dict[str, Any], *, name: str, engine: str) -> AgentOfEnvironment:
    """The agent that comes with Rounds; its fingerprint is the trainer's, so that a server can be held to it."""
    kept = ("trained_on", "row", "figures", "stages", "seeds", "recipe", "base", "knowledge", "provenance")
    manifest: dict[str, object] = {key: told[key] for key in kept if key in told}
    manifest |= {"weights": folder.name, "probe": told["probe_name"], "fingerprint": told["probe"]}
    manifest |= {"fingerprint_from": "the trainer", "fingerprint_of_start": told["probe_base"]}
    return AgentOfEnvironment(
        version=default_model.version_of(folder),
        name=name,
        base=str(told["base"]["content"]),
        training=Training.VIRTUAL,
        url=settings.POLICY_URL,
        model_name=settings.POLICY_MODEL,
        engine=engine,
        codec=str(told["codec"]),
        adapter=str(told["files"][merge.ADAPTER]),
        manifest=manifest,
    )


def default_folder(version: ModelVersion) -> Path | None:
    """The default model's folder here, if this version is made of it."""
    folder = default_model.chosen().find(Path(settings.WEIGHTS_FOLDER)) if settings.WEIGHTS_FOLDER else None
    return folder if folder and default_model.version_of(folder) == version.version else None


def _external() -> AgentOfEnvironment:
    """Somebody else's model: its name is all that is known of its weights, unless POLICY_BASE says more."""
    if not settings.POLICY_MODEL:
        raise Refused("POLICY_URL is set without POLICY_MODEL: set it to the name under which the model is served.")
    base = settings.POLICY_BASE or settings.POLICY_MODEL
    content = hashlib.sha256(f"{base}\n{settings.POLICY_MODEL}\n{settings.POLICY_CODEC}".encode()).hexdigest()
    return AgentOfEnvironment(
        version=f"dx-ext-{content[:12]}",
        name=settings.POLICY_MODEL,
        base=base[:80],
        training=Training.EXTERNAL,
        url=settings.POLICY_URL,
        model_name=settings.POLICY_MODEL,
        engine=settings.POLICY_ENGINE,
        codec=settings.POLICY_CODEC,
    )


def _promoted_by_a_person(version: ModelVersion) -> bool:
    latest = version.history().filter(new=VersionStatus.SERVING).last()
    return isinstance(latest, StatusChange) and latest.by_id is not None


def lock() -> None:
    """Until the transaction ends nobody else registers, promotes or retires."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
