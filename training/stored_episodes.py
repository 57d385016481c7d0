"""A consultation that was held, as an Episode for judges: the same words that physicians judge, turn for turn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from agents import episodes
from agents.types import Action, ActionKind, End, Episode, EpisodeTurn, PolicyIdentity, Sampling
from clinic.models import Consultation
from clinic.transcript import Spoken, transcripts

ENDS = {ActionKind.DIAGNOSE: End.FINISH, ActionKind.DEFER: End.DEFER}


def stored_episodes(consultations: Iterable[Consultation]) -> dict[UUID, Episode]:
    """Episodes by consultation, read in one query; what was undone is left out, numbers stay those of the turns."""
    rows = list(consultations)
    told = transcripts(row.pk for row in rows)
    return {row.pk: _episode(row, told.get(row.pk, [])) for row in rows}


def _episode(consultation: Consultation, spoken: Sequence[Spoken]) -> Episode:
    turns = [_turn(one) for one in spoken if one.turn.retracted_at is None and one.text]
    actions = [turn.action for turn in turns if turn.action]
    last = actions[-1] if actions else None
    named = [action.target for action in actions if action.kind is ActionKind.DIAGNOSE]
    return Episode(
        case=str(consultation.case_id),
        group=str(consultation.case_id),
        policy=PolicyIdentity(str(consultation.model_version_id), "", None, "", "", Sampling()),
        world={"backend": consultation.world},
        turns=turns,
        end=ENDS.get(last.kind) if last else None,
        diagnosis=named[-1] if named else None,
    )


def _turn(spoken: Spoken) -> EpisodeTurn:
    action = _action(spoken.action) if spoken.judged and spoken.action else None
    role = "agent" if action else "environment"
    return EpisodeTurn(spoken.number, role, spoken.text, action)  # type: ignore[arg-type]


def _action(data: dict[str, Any]) -> Action:
    """As it was parsed when it was said; older rows may lack what came later."""
    whole = {"target": "", "reason": "", **data}
    empty: dict[str, Any] = {"probability": None, "group": "likely", "for": [], "against": []}
    return episodes.action({**whole, "differential": [{**empty, **row} for row in data.get("differential") or []]})
