"""Plays the agent against a case without a browser: one Episode, nothing written to the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from django.conf import settings

from agents.client import PolicyClient
from agents.codecs import by_name
from agents.environment import ConsultationEnv, World
from agents.policy import Policy
from agents.rollout import Limits, run_episode
from agents.types import CaseRecord, End, Episode, EpisodeTurn, PolicyIdentity, Sampling
from agents.world.language import LanguageWorld
from agents.world.virtual import UnknownCase
from agents.world.virtual_world import VirtualWorld
from clinic.models import Case, CaseKind, Endpoint, ModelRole, ModelVersion, Site
from clinic.services import cases, language_world, versions, virtual_clinic
from clinic.services.errors import SENTENCES, Refused
from clinic.services.prompts import api_key, served
from clinic.services.records import case_record
from clinic.services.worlds import world_for

OnTurn = Callable[[EpisodeTurn], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Speaker:
    """Which policy speaks, where, and how it samples."""

    version: ModelVersion
    endpoint: Endpoint
    sampling: Sampling


def consult(
    *,
    case: str,
    site: Site | None = None,
    policy: str | None = None,
    seed: int | None = None,
    temperature: float = 0.0,
    tokens: bool = False,
    language: bool = False,
    on_turn: OnTurn | None = None,
) -> Episode:
    """The consultation of `case` (a key, an id, or virtual:SPLIT:NUMBER) with the serving agent or `policy`.

    `policy` is a registered version's name, or URL#MODEL of a server. At the cap one final action is asked for.
    With `language` the world model writes the results of examinations.
    """
    virtual_clinic.refuse_sealed(case)
    record, world = _case(case, site)
    if language:
        world = _language_world(case, site, record, world, seed or 0)
    speaker = _speaker(policy, served(temperature=temperature, seed=seed))
    episode = asyncio.run(_play(record, world, speaker, tokens, on_turn))
    if episode.end is End.ENV_ERROR and not episode.turns:
        code = (episode.error or "").partition(":")[0]
        raise Refused(SENTENCES.get(code, f"The consultation could not begin: {episode.error}"))
    return episode


async def _play(record: CaseRecord, world: World, speaker: Speaker, tokens: bool, on_turn: OnTurn | None) -> Episode:
    endpoint, codec = speaker.endpoint, by_name(speaker.version.codec)
    client = PolicyClient(
        endpoint.url,
        endpoint.model_name,
        api_key=api_key(endpoint),
        first_token_seconds=settings.POLICY_FIRST_TOKEN_SECONDS,
        idle_seconds=settings.POLICY_IDLE_SECONDS,
    )
    async with client, _connections(world):
        agent = Policy(client, codec, speaker.sampling, _identity(speaker, codec.digest))
        env = ConsultationEnv(world, record)
        return await run_episode(agent, env, limits=Limits(force_final=True), tokens=tokens, on_turn=on_turn)


def _language_world(name: str, site: Site | None, record: CaseRecord, own: World, seed: int) -> LanguageWorld:
    rows = Case.objects.filter(key=record.id, **({"site": site} if site else {}))
    credentialed = rows.filter(credentialed=True).exists()
    engine = language_world.rollout_engine(cases=name, site=site, credentialed=credentialed, priority=0)
    return language_world.language_world(record, engine, own, seed=seed)


@asynccontextmanager
async def _connections(world: World) -> AsyncIterator[None]:
    """Those a language world opens are closed with the consultation."""
    try:
        yield
    finally:
        if isinstance(world, LanguageWorld):
            await world.engine.client.close()


def _identity(speaker: Speaker, prompt: str) -> PolicyIdentity:
    version = speaker.version
    return PolicyIdentity(
        version=version.version,
        base=version.base,
        adapter=version.adapter or None,
        prompt=prompt,
        engine=speaker.endpoint.engine,
        sampling=speaker.sampling,
        probe=version.manifest.get("probe"),
    )


def _case(name: str, site: Site | None) -> tuple[CaseRecord, World]:
    """A stored case, or a virtual patient that is only drawn."""
    if name.startswith("virtual:") and not Case.objects.filter(key=name).exists():
        try:
            drawn = VirtualWorld(name)
        except UnknownCase as error:
            raise Refused(f"There is no such virtual case: {error}.") from error
        return drawn.record, drawn
    case = cases.find(name=name, site=site)
    if case.kind == CaseKind.PATIENT:
        raise Refused("A real patient's case is answered by its clinician; hold the consultation in the browser.")
    return case_record(case), world_for(case)


def _speaker(policy: str | None, sampling: Sampling) -> Speaker:
    if policy is None:
        return Speaker(*versions.serving_agent(), sampling)
    if "://" in policy:
        return Speaker(*_unregistered(policy), sampling)
    version = ModelVersion.objects.filter(version=policy, role=ModelRole.AGENT).first()
    endpoint = version.endpoints.filter(active=True).first() if version else None
    if version is None or endpoint is None:
        raise Refused(f"{policy} is no registered agent with an endpoint; name one, or a server as URL#MODEL.")
    return Speaker(version, endpoint, sampling)


def _unregistered(policy: str) -> tuple[ModelVersion, Endpoint]:
    """A server named on the command line; its rows are never saved."""
    url, _, model = policy.partition("#")
    if not model:
        raise Refused("Name the model as well: URL#MODEL.")
    version = ModelVersion(version=policy[:80], name=model, base=model[:80], codec=settings.POLICY_CODEC)
    key = "POLICY_API_KEY" if url == settings.POLICY_URL else ""
    return version, Endpoint(model_version=version, url=url, model_name=model, api_key_variable=key)
