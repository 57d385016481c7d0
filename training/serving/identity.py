"""Whether what answers at an endpoint is the version it is said to be: names, files, and what its weights say."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from agents import identity
from agents.errors import PolicyError, PolicyUnavailable
from agents.identity import RESOLUTION, TOLERANCE, Fingerprint
from agents.probe_client import ProbeClient
from clinic.models import Endpoint, ModelVersion
from clinic.services import versions
from clinic.services.prompts import api_key
from training import alarms
from training.serving import files

SECONDS = 20.0
KIND = "identity"


@dataclass(frozen=True, slots=True)
class Finding:
    """`ok` is None where the server does not answer or cannot be probed; distances are nats per token."""

    ok: bool | None
    why: str = ""
    distance: float | None = None
    from_start: float | None = None
    """How far what answers is from the weights that the version was trained from."""
    fresh: Fingerprint | None = None
    """A fingerprint taken just now, because none was known."""
    answers: bool = True

    def as_dict(self) -> dict[str, Any]:
        return {"why": self.why, "distance": _rounded(self.distance), "from_start": _rounded(self.from_start)}


def check_identity(endpoint: Endpoint) -> bool:
    """Whether it answers as its version; kept on the endpoint, and an alarm opened where it does not.

    Weights without a fingerprint from their trainer get one from their first answer, after a look at their files.
    """
    version = endpoint.model_version
    found = examine(endpoint)
    if found.ok and found.fresh:
        versions.keep_fingerprint(
            version=version, name=found.fresh.name, fingerprint=found.fresh.as_dict(), source="its first answers"
        )
    now = timezone.now()
    endpoint.identity_at, endpoint.identity_ok, endpoint.identity_detail = now, found.ok, found.as_dict()
    if found.ok is not False:  # whoever said who it is answers; another one's answer says nothing of this one
        endpoint.probed_at, endpoint.probe_ok, endpoint.probe_ms = now, bool(found.ok) or found.answers, None
    endpoint.save(update_fields=["identity_at", "identity_ok", "identity_detail", "probed_at", "probe_ok", "probe_ms"])
    if found.ok is False:
        alarms.raise_(kind=KIND, subject=version.version, message=found.why, data=found.as_dict())
    return bool(found.ok)


def examine(endpoint: Endpoint) -> Finding:
    """Files first: they are here, and say most."""
    version = endpoint.model_version
    if changed := files.altered(version):
        return Finding(False, f"Files of {version.version} differ from what was registered: {', '.join(changed[:3])}.")
    try:
        return asyncio.run(_ask(endpoint, version))
    except PolicyUnavailable as error:
        return Finding(None, f"It does not answer: {error}.", answers=False)
    except PolicyError as error:
        if not version.manifest.get("fingerprint"):
            # Somebody else's server that tells no tokens may well be the right one; nothing says that it is another.
            return Finding(None, f"It cannot be probed: {error}.")
        return Finding(False, f"The server does not answer as {version.version}: {error}.")


async def _ask(endpoint: Endpoint, version: ModelVersion) -> Finding:
    url, name, key = endpoint.url, endpoint.model_name, api_key(endpoint)
    async with ProbeClient(url, name, api_key=key, first_token_seconds=SECONDS, idle_seconds=SECONDS) as client:
        listed = await client.served()
        if name not in listed:
            return Finding(False, f"The server knows {', '.join(listed) or 'no model'}, and not {name}.")
        known = version.manifest.get("fingerprint")
        if not known:
            return Finding(True, fresh=await identity.take(client))
        own = Fingerprint.from_dict(known)
        return judged(version, own, await identity.read(client, own))


def judged(version: ModelVersion, own: Fingerprint, read: Fingerprint) -> Finding:
    """Near enough to itself, and nearer to itself than to what it was trained from, where the two can be told apart."""
    distance = identity.distance(own, read)
    start = _start_of(version)
    from_start = identity.distance(start, read) if start else None
    told: dict[str, Any] = {"distance": distance, "from_start": from_start}
    if not distance <= TOLERANCE:
        return Finding(False, f"It answers {distance:.2f} nats per token away from {version.version}.", **told)
    apart = start is not None and identity.distance(own, start) > RESOLUTION
    if apart and from_start is not None and from_start < distance:
        return Finding(False, f"It answers as the weights that {version.version} was trained from.", **told)
    return Finding(True, "" if apart or start is None else "Too like its start to be told from it by probes.", **told)


def _start_of(version: ModelVersion) -> Fingerprint | None:
    told = version.manifest.get("fingerprint_of_start")
    return Fingerprint.from_dict(told) if told else None


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 4)
