"""The language world model in the clinic: which version answers, what it is asked, and where its draws are kept."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings

from agents.client import Delta
from agents.completions import CompletionClient
from agents.errors import WorldError, WorldUnavailable
from agents.types import CaseRecord, Observation, Sampling, Source
from agents.world.access import PUBLIC, CredentialedText, may_send
from agents.world.grammar import STOPS
from agents.world.language import Earlier, LanguageWorld, Questions
from agents.world.language_draws import Draw, DrawStore
from agents.world.language_engine import WorldEngine
from clinic.local import world_state, world_weights
from clinic.local.world_state import WorldState
from clinic.models import (
    Case,
    CaseKind,
    Consultation,
    Endpoint,
    ModelRole,
    ModelVersion,
    SimulatedResult,
    Site,
    StaleStatus,
    Training,
    TurnRole,
    User,
    VersionStatus,
    WorldBackend,
    WorldDraw,
)
from clinic.services import audit, versions
from clinic.services.errors import SENTENCES, Refused
from clinic.services.prompts import api_key
from clinic.services.records import case_record
from clinic.services.world_draws import KeptDraws
from clinic.services.worlds import ask_world, world_for

SEEDS = 2**31
CODEC = "grammar"
NAMELESS = "WORLD_URL is set without WORLD_MODEL: set it to the name under which the model is served."


def offered() -> bool:
    """Whether cases can be played on a language world here at all."""
    return bool(settings.WORLD_URL or settings.EMBEDDED_WORLD)


def wake() -> WorldState:
    """How the world model is; the embedded one is asked to come up, or to stay."""
    if settings.WORLD_URL:
        if not settings.WORLD_MODEL:
            return WorldState(world_state.FAILED, reason=NAMELESS)
        return WorldState(world_state.READY, version=_external_version(), url=settings.WORLD_URL)
    if not settings.EMBEDDED_WORLD:
        return WorldState(world_state.FAILED, reason=SENTENCES["no_world"])
    folder = Path(settings.EMBEDDED_WORLD)
    world_state.want(folder)
    return world_state.read(folder)


def version() -> ModelVersion:
    """The version that answers from now on, registered by its content; Refused while there is none."""
    if settings.WORLD_URL:
        if not settings.WORLD_MODEL:
            raise Refused(NAMELESS)
        name = settings.WORLD_MODEL
        return _registered(version=_external_version(), name=name, base=name[:80], training=Training.EXTERNAL)
    if not settings.EMBEDDED_WORLD:
        raise Refused(SENTENCES["no_world"])
    found = world_weights.planned(Path(settings.WEIGHTS_FOLDER))
    if found is None:  # the base weights are still being made
        wake()
        raise Refused(SENTENCES["world_starting"])
    training = Training.VIRTUAL if found.trained else Training.UNTRAINED
    return _registered(
        version=found.version, name=found.name, base=found.base, adapter=found.adapter, training=training
    )


def choice(case: Case) -> dict[str, Any]:
    """The columns of a consultation in which the language world answers; Refused where it may not."""
    if case.kind == CaseKind.PATIENT:
        raise Refused(SENTENCES["world_patient"])
    if not case.answer.strip():
        raise Refused(SENTENCES["world_needs_answer"])
    wake()
    return {
        "world": WorldBackend.LANGUAGE,
        "world_version": version(),
        "world_seed": secrets.randbelow(SEEDS),
        "world_case_kind": case.kind,
    }


def examine(consultation: Consultation, requests: Sequence[str], *, by: User) -> list[tuple[str, Observation]]:
    """What the world model writes for each request, in turn, after what this consultation has seen."""
    case, pinned = consultation.case, consultation.world_version
    assert pinned is not None  # the database keeps it with the choice of world
    kept = KeptDraws(case, pinned.version)
    earlier = _earlier(consultation, kept)
    with engine(pinned, case=case, by=by) as asked:
        world = open_world(case, asked, seed=consultation.world_seed or 0, earlier=earlier, store=kept)
        try:
            return ask_world(_each(world, requests))
        finally:
            kept.save()


def draw(*, case: Case, examination: str, repeat: int, seed: int = 0, by: User) -> WorldDraw:
    """The `repeat`-th draw of an examination (its id) from the patient's profile alone; kept, so never drawn twice."""
    if case.kind != CaseKind.VIRTUAL:
        raise Refused(SENTENCES["world_patient"])
    now = version()
    kept = KeptDraws(case, now.version)
    with engine(now, case=case, by=by) as asked:
        world = open_world(case, asked, seed=seed, store=kept)
        try:
            drawn = ask_world(_closing(world, world.draw(examination, repeat=repeat)))
        finally:
            kept.save()
    return WorldDraw.objects.get(digest=drawn.digest)


async def draw_aloud(*, case: Case, examination: str, repeat: int, seed: int = 0) -> AsyncGenerator[tuple[int, str]]:
    """(number of the try, piece of text) while the same draw is written, which is then kept as `draw` keeps it.

    Nothing of it is a result before `draw` has been asked for it: that also says why there is none.
    """
    if case.kind != CaseKind.VIRTUAL:
        raise Refused(SENTENCES["world_patient"])
    now = await sync_to_async(version)()
    kept = await sync_to_async(KeptDraws)(case, now.version)
    asked = await sync_to_async(_engine)(now, credentialed=case.credentialed)
    world = await sync_to_async(open_world)(case, asked, seed=seed, store=kept)
    try:
        async with asked.client, aclosing(world.draw_stream(examination, repeat=repeat)) as pieces:
            async for piece in pieces:
                if not isinstance(piece, Draw):
                    yield piece
    finally:
        await sync_to_async(kept.save)()


def drawn(*, case: Case, examination: str, count: int, seed: int = 0) -> dict[int, WorldDraw]:
    """Those of the first `count` draws that are kept already, by their number; the model is not asked."""
    now = version()
    world = open_world(case, WorldEngine(CompletionClient("http://localhost", now.version), now.version), seed=seed)
    digests = {world.digest(examination, repeat=n): n for n in range(count)}
    return {digests[row.digest]: row for row in WorldDraw.objects.filter(digest__in=digests)}


def open_world(
    case: Case, engine: WorldEngine, *, seed: int, earlier: Sequence[Earlier] = (), store: DrawStore | None = None
) -> LanguageWorld:
    """The language world of a case; its history is told by what the case is."""
    return language_world(case_record(case), engine, world_for(case), seed=seed, earlier=earlier, store=store)


def language_world(record: CaseRecord, engine: WorldEngine, questions: Questions, **options: Any) -> LanguageWorld:
    try:
        return LanguageWorld(record, engine, questions, **options)
    except ValueError as error:
        raise Refused(SENTENCES["world_needs_answer"]) from error


@contextmanager
def engine(version: ModelVersion, *, case: Case | None, by: User | None) -> Iterator[WorldEngine]:
    """The engine of a version for a person who waits; whatever it raises inside becomes a sentence.

    `case` is the one it will be asked about, the strictest of several, or None for cases that were never stored.
    """
    try:
        yield _engine(version, credentialed=case is not None and case.credentialed)
    except CredentialedText as error:
        assert case is not None  # what was never stored is nobody's data
        _audit_refusal(error, version, by=by, noun="case", target=str(case.pk), site=case.site)
        raise Refused(SENTENCES["world_credentialed"]) from error
    except WorldUnavailable as error:
        raise Refused(SENTENCES["world_unavailable"]) from error
    except WorldError as error:
        raise Refused(SENTENCES["world_error"]) from error


def rollout_engine(*, cases: str, site: Site | None, credentialed: bool, priority: int) -> WorldEngine:
    """The engine for episodes, whose failures are data; whether these cases may be sent is settled here, before."""
    found = _engine(version(), credentialed=credentialed, priority=priority)
    try:
        may_send(found.access, found.client.url, internal=found.internal)
    except CredentialedText as error:
        _audit_refusal(error, version(), by=None, noun="case_set", target=cases, site=site)
        raise Refused(SENTENCES["world_credentialed"]) from error
    return found


class KeepingUp(CompletionClient):
    """Says with every draw that the embedded model is still wanted: an evaluation takes longer than its patience."""

    async def write(
        self, prompt: str, *, sampling: Sampling, stop: Sequence[str] = (), priority: int = 0
    ) -> AsyncGenerator[Delta, None]:
        wake()
        written = super().write(prompt, sampling=sampling, stop=stop, priority=priority)
        async with aclosing(written) as deltas:
            async for delta in deltas:
                yield delta


def _engine(version: ModelVersion, *, credentialed: bool, priority: int = 0) -> WorldEngine:
    endpoint = serving(version)
    client = KeepingUp(
        endpoint.url,
        endpoint.model_name,
        api_key=api_key(endpoint),
        first_token_seconds=settings.POLICY_FIRST_TOKEN_SECONDS,
        idle_seconds=settings.POLICY_IDLE_SECONDS,
    )
    return WorldEngine(
        client,
        version.version,
        stops=tuple(settings.WORLD_STOPS) or STOPS,
        priority=priority,
        access="credentialed" if credentialed else PUBLIC,
        internal=tuple(settings.INTERNAL_HOSTS),
    )


def _audit_refusal(
    error: CredentialedText, version: ModelVersion, *, by: User | None, noun: str, target: str, site: Site | None
) -> None:
    facts = {"host": error.host, "version": version.version}
    audit.record(by=by, action="credentialed.refused", noun=noun, target=target, site=site, data=facts)


def serving(version: ModelVersion) -> Endpoint:
    """Where this version answers now; Refused while it starts, and where another one is served."""
    state = wake()
    if state.state == world_state.FAILED:
        raise Refused(f"{SENTENCES['world_unavailable']} {state.reason}")
    if state.state != world_state.READY:
        raise Refused(SENTENCES["world_starting"])
    if state.version != version.version:
        raise Refused(SENTENCES["world_gone"])
    endpoint = versions.register_endpoint(
        by=None,
        version=version,
        url=state.url,
        model_name=settings.WORLD_MODEL if settings.WORLD_URL else state.version,
        engine=state.engine,
        api_key_variable="WORLD_API_KEY" if settings.WORLD_URL and settings.WORLD_API_KEY else "",
    )
    if version.status != VersionStatus.SERVING:
        _promote(version)
    return endpoint


def _promote(version: ModelVersion) -> None:
    try:
        versions.promote(version=version, by=None, reason="it is the world model that runs")
    except StaleStatus:
        version.refresh_from_db()  # another request, with the same first draw, was quicker


async def _each(world: LanguageWorld, requests: Sequence[str]) -> list[tuple[str, Observation]]:
    async with world.engine.client:
        return [(request, seen) for request in requests for seen in await world.examine(request)]


async def _closing(world: LanguageWorld, drawing: Any) -> Draw:
    async with world.engine.client:
        found: Draw = await drawing
    return found


def _earlier(consultation: Consultation, kept: KeptDraws) -> list[Earlier]:
    """What this consultation has seen and not undone, the model's own results as it wrote them."""
    seen = consultation.turns.filter(
        role=TurnRole.ENVIRONMENT, source__in=[Source.SIMULATED, Source.ENTERED], retracted_at=None
    ).order_by("number")
    seeds = dict(SimulatedResult.objects.filter(consultation=consultation).values_list("turn_id", "seed"))
    found: dict[str, Earlier] = {}
    for turn in seen:
        name, seed = turn.matched or turn.request, seeds.get(turn.pk)
        found.setdefault(name, Earlier(name, kept.written(name, seed) or turn.text, seed))
    return list(found.values())


def _external_version() -> str:
    name = f"{settings.WORLD_URL}\n{settings.WORLD_MODEL}"
    return f"world-ext-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def _registered(**facts: Any) -> ModelVersion:
    found = ModelVersion.objects.filter(version=facts["version"], role=ModelRole.WORLD).first()
    return found or versions.register(by=None, role=ModelRole.WORLD, codec=CODEC, **facts)
