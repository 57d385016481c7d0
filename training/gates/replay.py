"""Recent consultations as prompts: what would the candidate have done there? Never a real patient's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from agents.codecs import by_name
from agents.types import Exchange, Inquiry, MalformedAction
from clinic.models import CaseKind, ModelOutput, ModelVersion, Site, Turn, TurnRole, TurnStatus
from clinic.services.prompts import told
from training.evaluation.policies import Endpoint, Player


@dataclass(frozen=True, slots=True)
class Replay:
    """One agent turn as it was asked for, and the action that was taken."""

    inquiry: Inquiry
    exchanges: tuple[Exchange, ...]
    forced: bool
    kind: str
    target: str


def recent(*, site: Site, version: ModelVersion, count: int) -> list[Replay]:
    """The newest completed agent turns of the site in the candidate's wire form, sealed cases and patients left out."""
    silent = Turn.objects.filter(role=TurnRole.AGENT, status=TurnStatus.COMPLETE).exclude(
        pk__in=ModelOutput.objects.filter(complete=True).values("turn")
    )
    turns = (
        Turn.objects.filter(
            consultation__site=site,
            consultation__model_version__codec=version.codec,
            consultation__case__kind__in=(CaseKind.RECORD, CaseKind.VIRTUAL),
            consultation__case__credentialed=False,
            consultation__case__deleted_at=None,
            role=TurnRole.AGENT,
            status=TurnStatus.COMPLETE,
            retracted_at=None,
            action__isnull=False,
        )
        .exclude(consultation__case__key__startswith="virtual:sealed:")
        # Without the agent's own words there is no prompt: it was imported, or is older than the log of them.
        .exclude(consultation__in=silent.values("consultation"))
        .select_related("consultation__case")
        .order_by("-started_at", "-pk")
    )
    return [_replay(turn, version) for turn in turns[:count]]


def _replay(turn: Turn, version: ModelVersion) -> Replay:
    inquiry, exchanges = told(turn.consultation, by_name(version.codec), before=turn.number)
    action = turn.action or {}
    return Replay(inquiry, tuple(exchanges), turn.forced, str(action.get("action", "")), str(action.get("target", "")))


async def answer_again(replays: Sequence[Replay], player: Player, *, at_once: int) -> list[bool]:
    """Whether the player took the same action on the same target, per replay; raises PolicyError."""
    gate = asyncio.Semaphore(at_once)
    assert isinstance(player, Endpoint)
    policy = player.policy

    async def one(replay: Replay) -> bool:
        async with gate:
            said = await policy.say(replay.inquiry, replay.exchanges, force_final=replay.forced)
        try:
            action = policy.parse(said.text)
        except MalformedAction:
            return False
        return (str(action.kind), _plain(action.target)) == (replay.kind, _plain(replay.target))

    return list(await asyncio.gather(*map(one, replays)))


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
