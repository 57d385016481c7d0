"""A version in shadow answers what the serving one was asked; nobody in the consultation sees it.

Only where the case is no real patient's: an unproven version is not given those, even unseen.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction

from agents.answers import withheld
from agents.client import PolicyClient, whole
from agents.codecs import by_name
from agents.errors import PolicyError
from agents.types import Action, MalformedAction
from clinic.models import (
    CaseKind,
    Consultation,
    Endpoint,
    ModelRole,
    ModelVersion,
    Turn,
    TurnRole,
    TurnStatus,
    VersionStatus,
)
from clinic.services import prompts
from clinic.services.prompts import Prompt, api_key
from training.models import ShadowTurn

PRIORITY = 500
"""Behind every person, before probes."""
LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class Answer:
    text: str = ""
    action: Action | None = None
    error: str = ""
    seconds: float = 0.0


def on_turn(turn: Turn) -> None:
    """Called inside the transaction in which an agent's turn was completed."""
    from training.tasks import shadow_turn

    if in_shadow().exists() and _may_be_shown(turn.consultation):
        transaction.on_commit(lambda: shadow_turn.delay(turn.pk), robust=True)


def in_shadow() -> Any:
    """Where it answers, unless that was found to be another version."""
    found = Endpoint.objects.filter(
        active=True, model_version__role=ModelRole.AGENT, model_version__status=VersionStatus.SHADOW
    )
    return found.exclude(identity_ok=False).select_related("model_version")


def answer(turn_id: int) -> str:
    """One row for the turn and the version in shadow; what became of it. Twice makes one row."""
    related = ("consultation__case", "consultation__model_version")
    turn = Turn.objects.select_related(*related).filter(pk=turn_id, role=TurnRole.AGENT).first()
    endpoint = in_shadow().first()
    if turn is None or endpoint is None or turn.status != TurnStatus.COMPLETE or not _may_be_shown(turn.consultation):
        return LEFT_OUT
    version = endpoint.model_version
    if ShadowTurn.objects.filter(version=version, turn=turn).exists():
        return LEFT_OUT
    prompt = _prompt(turn, endpoint)
    said = asyncio.run(_ask(prompt)) if prompt else Answer(error=f"It does not speak {turn.consultation.model_version}")
    _keep(turn, version, prompt, said)
    return said.error or "answered"


def _may_be_shown(consultation: Consultation) -> bool:
    case = consultation.case
    return case.kind != CaseKind.PATIENT and not case.credentialed and case.deleted_at is None


def _prompt(turn: Turn, endpoint: Endpoint) -> Prompt | None:
    """The same prompt for the other version; None where earlier answers are in a wire form it does not write."""
    consultation, version = turn.consultation, endpoint.model_version
    if version.codec != consultation.model_version.codec:
        return None
    codec = by_name(version.codec)
    inquiry, exchanges = prompts.told(consultation, codec, before=turn.number)
    sampling = prompts.served()
    return Prompt(
        endpoint=endpoint,
        codec=codec,
        inquiry=inquiry,
        exchanges=exchanges,
        messages=codec.messages(inquiry, exchanges, force_final=turn.forced),
        response_format=codec.response_format(force_final=turn.forced),
        sampling=sampling,
        identity=prompts.identity_of(version, endpoint, codec, sampling),
        must_end=turn.forced,
    )


async def _ask(prompt: Prompt) -> Answer:
    began, endpoint = time.monotonic(), prompt.endpoint
    client = PolicyClient(
        endpoint.url,
        endpoint.model_name,
        api_key=api_key(endpoint),
        first_token_seconds=settings.POLICY_FIRST_TOKEN_SECONDS,
        idle_seconds=settings.POLICY_IDLE_SECONDS,
    )
    text = ""
    try:
        async with client:
            said = await whole(prompt.answer(client, priority=PRIORITY))
        text = said.text
        return Answer(text, withheld(prompt.codec.parse(text), said.dropped), seconds=time.monotonic() - began)
    except MalformedAction as error:
        return Answer(text, error=f"malformed: {error.reason}", seconds=time.monotonic() - began)
    except PolicyError as error:
        return Answer(text, error=f"{error.code}: {error}", seconds=time.monotonic() - began)


def _keep(turn: Turn, version: ModelVersion, prompt: Prompt | None, said: Answer) -> None:
    ShadowTurn.objects.get_or_create(
        version=version,
        turn=turn,
        defaults={
            "text": said.text,
            "action": said.action.as_dict() if said.action else None,
            "identity": prompt.identity if prompt else {},
            "same_action": _same(turn.action, said.action) if said.action else None,
            "error": said.error,
            "seconds": round(said.seconds, 3),
        },
    )


def _same(served: dict[str, Any] | None, other: Action) -> bool:
    """The same kind of action about the same thing, by its words."""
    told = other.as_dict()
    return served is not None and all(
        str(served.get(key, "")).strip().casefold() == str(told.get(key, "")).strip().casefold()
        for key in ("action", "target")
    )
