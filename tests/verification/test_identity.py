"""Identity probes against the fake engine and the real vLLM: what they ask is answered in the same shape by both."""

from __future__ import annotations

import asyncio

import pytest

from agents import identity
from agents.probe_client import ProbeClient
from clinic.local.agent_servers import requests_running
from tests.doubles.engine import FakeEngine

pytestmark = pytest.mark.vllm


@pytest.fixture(params=["fake", "real"])
async def server(request, vllm_server):
    if request.param == "real":
        yield vllm_server.url, vllm_server.model
        return
    async with FakeEngine() as fake:
        yield fake.url, fake.model


async def test_known_answers_get_the_same_log_probs_again(server):
    async with ProbeClient(*server, first_token_seconds=120) as client:
        assert server[1] in await client.served()
        known = await identity.take(client)
        assert len(known.rows) == len(identity.PROBES)
        assert all(0 < len(row.answer) <= identity.ANSWER_TOKENS for row in known.rows)
        assert all(p <= 0 for row in known.rows for p in row.logprobs)
        assert identity.distance(known, await identity.read(client, known)) < identity.RESOLUTION


async def test_tokens_that_were_not_said_are_far_away(server):
    async with ProbeClient(*server, first_token_seconds=120) as client:
        known = await identity.take(client)
        moved = identity.Fingerprint(
            tuple(identity.Row(row.prompt, tuple(reversed(row.answer)), row.logprobs) for row in known.rows)
        )
        assert identity.distance(moved, await identity.read(client, moved)) > identity.TOLERANCE


async def test_requests_in_work_are_counted(server):
    assert await asyncio.to_thread(requests_running, server[0]) == 0
