"""An evaluated episode as a consultation to read, in the words and forms of the consultation room."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from django.utils.safestring import SafeString, mark_safe

from agents import episodes
from agents.types import Action, ActionKind, EpisodeTurn, Observation
from clinic.models import Turn, TurnRole, TurnStatus
from clinic.rendering import turn_html
from training.models import EvaluatedEpisode

UNREADABLE = "This is what the policy said. It could not be read as exactly one action."


def consultation(row: EvaluatedEpisode, *, column: str = "") -> list[SafeString]:
    """Each turn as HTML, one for every answer of the environment; empty where no episode was played.

    `column` keeps the ids apart where two consultations stand on one page.
    """
    if not row.episode:
        return []
    played = episodes.load(row.episode)
    shown: list[SafeString] = []
    said: Action | None = None
    for turn in played.turns:
        for one, instead in _shown(turn, said):
            one.number = len(shown) + 1
            shown.append(_in_column(turn_html(one, **instead), column))
        said = turn.action or said
    return shown


def _in_column(html: SafeString, column: str) -> SafeString:
    """The first id is the turn's own: what a model said comes after it."""
    return mark_safe(html.replace('id="', f'id="{column}-', 1)) if column else html  # noqa: S308


def _shown(turn: EpisodeTurn, said: Action | None) -> Iterator[tuple[Turn, dict[str, object]]]:
    if turn.role == "environment":
        asked = said is not None and said.kind is ActionKind.ASK
        for observation in turn.observations:
            yield _answer(observation, asked), {"results": [asdict(value) for value in observation.values]}
    elif turn.action:
        words, action = turn.action.reason, turn.action.as_dict()
        yield Turn(role=TurnRole.AGENT, text=words, action=action, dropped=list(turn.dropped)), {}
    else:
        yield Turn(role=TurnRole.AGENT, status=TurnStatus.FAILED, text=turn.text), {"sentence": UNREADABLE}


def _answer(observation: Observation, asked: bool) -> Turn:
    return Turn(
        role=TurnRole.PATIENT if asked else TurnRole.ENVIRONMENT,
        text=observation.text,
        source=str(observation.source),
        request=observation.request,
        matched=observation.matched or "",
    )
