"""Who plays in a gate: both versions at their endpoints, how they sample, and what scores given tokens."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from django.conf import settings

from agents.answers import ruled
from agents.client import Completion, PolicyClient
from agents.codecs import Codec, by_name
from agents.environment import World
from agents.policy import Policy, Speaker
from agents.probe_client import ProbeClient
from agents.types import Action, Exchange, Inquiry, PolicyIdentity, Sampling
from clinic.models import Endpoint, ModelVersion
from clinic.services.prompts import api_key
from training.evaluation import policies
from training.evaluation.policies import Player


class Scores(Protocol):
    """agents.probe_client.ProbeClient, or a double."""

    async def logprobs_of(self, prompt: Sequence[int], answer: Sequence[int]) -> tuple[float, ...]: ...


class Seats(Protocol):
    """The two players of a gate; `side` is "candidate" or "baseline"."""

    def player(self, side: str, *, seed: int | None = None, temperature: float = 0.0) -> Player: ...

    def scorer(self, side: str) -> Scores | None:
        """None where the two cannot be scored on the same tokens."""

    async def close(self) -> None: ...


@dataclass
class Server:
    """One version where it is served."""

    version: ModelVersion
    endpoint: Endpoint


class ServedSeats:
    """Seats at real endpoints. Make and close it in the event loop that plays."""

    def __init__(self, candidate: Server, baseline: Server) -> None:
        self.servers = {"candidate": candidate, "baseline": baseline}
        self.clients: list[PolicyClient] = []

    def player(self, side: str, *, seed: int | None = None, temperature: float = 0.0) -> Player:
        """Greedy unless a temperature is given."""
        server = self.servers[side]
        codec = by_name(server.version.codec)
        longest = getattr(codec, "max_tokens", settings.POLICY_MAX_TOKENS)
        sampling = Sampling(temperature=temperature, max_tokens=longest, seed=seed)
        if not temperature:
            sampling = ruled(sampling)  # hot tries are the policy's own samples: their divergence is measured
        client = PolicyClient(
            server.endpoint.url,
            server.endpoint.model_name,
            api_key=api_key(server.endpoint),
            first_token_seconds=settings.POLICY_FIRST_TOKEN_SECONDS,
            idle_seconds=settings.POLICY_IDLE_SECONDS,
        )
        self.clients.append(client)
        identity = _identity(server, codec.digest, sampling)
        return policies.Endpoint(server.version.version, Policy(client, codec, sampling, identity))

    def scorer(self, side: str) -> Scores | None:
        """Log-probs are comparable where both read the same tokens: the same base and the same words of the codec."""
        ours, theirs = (self.servers[name].version for name in ("candidate", "baseline"))
        if (ours.base, ours.codec) != (theirs.base, theirs.codec):
            return None
        endpoint = self.servers[side].endpoint
        client = ProbeClient(endpoint.url, endpoint.model_name, api_key=api_key(endpoint))
        self.clients.append(client)
        return client

    async def close(self) -> None:
        for client in self.clients:
            await client.close()


def _identity(server: Server, prompt: str, sampling: Sampling) -> PolicyIdentity:
    version = server.version
    adapter, probe = version.adapter or None, version.manifest.get("probe")
    known = probe if isinstance(probe, str) else None
    return PolicyIdentity(version.version, version.base, adapter, prompt, server.endpoint.engine, sampling, known)


class Tracing:
    """A speaker that also appends the token ids of what it read and said to a file."""

    def __init__(self, speaker: Speaker, path: Path) -> None:
        self.speaker, self.path = speaker, path

    @property
    def codec(self) -> Codec:
        return self.speaker.codec

    @property
    def identity(self) -> PolicyIdentity:
        return self.speaker.identity

    async def say(
        self,
        inquiry: Inquiry,
        exchanges: Sequence[Exchange],
        *,
        force_final: bool = False,
        priority: int = 0,
        tokens: bool = False,
    ) -> Completion:
        said = await self.speaker.say(inquiry, exchanges, force_final=force_final, priority=priority, tokens=True)
        if said.prompt_ids and said.token_ids:
            with self.path.open("a") as file:
                file.write(json.dumps([said.prompt_ids, said.token_ids]) + "\n")
        return said

    def parse(self, text: str) -> Action:
        return self.speaker.parse(text)


@dataclass(frozen=True)
class TracedPlayer:
    """A player whose speakers are traced."""

    player: Player
    path: Path

    @property
    def name(self) -> str:
        return self.player.name

    @property
    def identity(self) -> PolicyIdentity:
        return self.player.identity

    def seat(self, case: str, world: World) -> Speaker:
        return Tracing(self.player.seat(case, world), self.path)
