"""Asks the same agent the same question again, a few times, to see how consistent it is; a clinician goes first."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.db import transaction
from django.utils import timezone

from agents.answers import withheld
from agents.client import PolicyClient, PolicyError, whole
from agents.types import MalformedAction
from clinic.models import Consultation, DraftStatus, Turn, TurnDrafts, TurnRole, TurnStatus, User
from clinic.services import audit, dispatch
from clinic.services.errors import SENTENCES, Refused
from clinic.services.prompts import Prompt, api_key, prompt_for

DRAFTS = 4
TEMPERATURE = 0.8
BEHIND = 10
"""Priority in the engine's queue: a larger number waits for a smaller one."""


def ask_again(*, consultation: Consultation, by: User, wanted: int = DRAFTS) -> TurnDrafts:
    """Begin the drafts of the agent's newest answer; a second request finds the first."""
    turn = consultation.turns.filter(role=TurnRole.AGENT, status=TurnStatus.COMPLETE, retracted_at=None).last()
    if turn is None:
        raise Refused(SENTENCES["no_answer_yet"])
    if not Consultation.objects.steerable_by(by).filter(pk=consultation.pk).exists():
        raise Refused(SENTENCES["not_yours"])
    with transaction.atomic():
        drafts, fresh = TurnDrafts.objects.get_or_create(turn=turn, defaults={"wanted": wanted})
        if drafts.status == DraftStatus.FAILED or drafts.is_stuck:
            TurnDrafts.objects.filter(pk=drafts.pk).update(status=DraftStatus.WAITING, at=timezone.now())
            drafts.status, fresh = DraftStatus.WAITING, True
        if fresh:
            transaction.on_commit(lambda: dispatch.draft(turn.pk))
            audit.record(
                by=by, action="consultation.drafts_asked", noun="consultation", target=str(consultation.pk),
                site=consultation.site, data={"turn": turn.number, "wanted": wanted},
            )  # fmt: skip
    return drafts


def draw(turn_id: int) -> int:
    """The drafts of one turn, drawn and kept; how many could be read. Doing it twice changes nothing."""
    related = ("case", "model_version", "endpoint", "site")
    turn = Turn.objects.select_related(*(f"consultation__{name}" for name in related)).get(pk=turn_id)
    drafts = TurnDrafts.objects.get(turn=turn)
    if drafts.status != DraftStatus.WAITING:
        return len(drafts.drafts)
    prompt = prompt_for(turn)
    read, failed = asyncio.run(_sample(prompt, range(1, drafts.wanted + 1)))
    TurnDrafts.objects.filter(pk=drafts.pk, status=DraftStatus.WAITING).update(
        drafts=read,
        failed=failed,
        policy={**prompt.identity, "sampling": {**prompt.identity["sampling"], **_hot(drafts.wanted)}},
        status=DraftStatus.DONE if read else DraftStatus.FAILED,
    )
    return len(read)


def _hot(wanted: int) -> dict[str, Any]:
    return {"temperature": TEMPERATURE, "seeds": list(range(1, wanted + 1))}


async def _sample(prompt: Prompt, seeds: Sequence[int]) -> tuple[list[dict[str, Any]], int]:
    """(the answers that could be read, how many could not): an outage is a failure, never a draft."""
    endpoint = prompt.endpoint
    async with PolicyClient(endpoint.url, endpoint.model_name, api_key=api_key(endpoint)) as client:
        found = await asyncio.gather(*(_draft(client, prompt, seed) for seed in seeds))
    read = [draft for draft in found if draft is not None]
    return read, len(found) - len(read)


async def _draft(client: PolicyClient, prompt: Prompt, seed: int) -> dict[str, Any] | None:
    sampling = replace(prompt.sampling, temperature=TEMPERATURE, seed=seed)
    try:
        answer = await whole(replace(prompt, sampling=sampling).answer(client, priority=BEHIND))
        action = withheld(prompt.codec.parse(answer.text), answer.dropped)
        return {"seed": seed, "action": action.as_dict()}
    except (PolicyError, MalformedAction):
        return None
