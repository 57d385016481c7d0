"""Whether the model servers answer: one decoded token each, since their health pages answer while frozen."""

from __future__ import annotations

import asyncio

from django.conf import settings
from django.utils import timezone

from agents.client import PolicyClient, ProbeResult
from clinic.models import Endpoint
from clinic.services.prompts import api_key

PROBE_SECONDS = 5.0


def probe_all() -> int:
    """Probe every active endpoint and note the result on its row; how many answered."""
    endpoints = list(Endpoint.objects.filter(active=True))
    return sum(probe(endpoint=endpoint).ok for endpoint in endpoints)


def probe(*, endpoint: Endpoint) -> ProbeResult:
    """Blocks for at most PROBE_SECONDS; not to be called in an event loop's thread."""
    result = asyncio.run(_probe(endpoint))
    Endpoint.objects.filter(pk=endpoint.pk).update(
        probed_at=timezone.now(), probe_ok=result.ok, probe_ms=round(1000 * result.seconds, 1)
    )
    return result


async def _probe(endpoint: Endpoint) -> ProbeResult:
    async with PolicyClient(
        endpoint.url,
        endpoint.model_name,
        api_key=api_key(endpoint),
        first_token_seconds=min(PROBE_SECONDS, settings.POLICY_FIRST_TOKEN_SECONDS),
        idle_seconds=PROBE_SECONDS,
    ) as client:
        return await client.probe()
