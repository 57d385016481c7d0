"""What the agent is told before its next action, and who it is: built from rows alone, word for word the same."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

from django.conf import settings

from agents.answers import answer, ruled
from agents.client import Delta, PolicyClient
from agents.codecs import by_name
from agents.codecs.base import Codec
from agents.errors import PolicyError
from agents.types import Exchange, Inquiry, Message, Observation, PolicyIdentity, Sampling, Source
from clinic.models import Consultation, Endpoint, ModelOutput, ModelVersion, Turn, TurnRole, TurnStatus
from clinic.services.records import case_record


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request to the policy, and the identity that the answer will carry."""

    endpoint: Endpoint
    codec: Codec
    inquiry: Inquiry
    exchanges: list[Exchange]
    messages: list[Message]
    response_format: dict[str, Any] | None
    sampling: Sampling
    identity: dict[str, Any]
    must_end: bool

    def answer(
        self, client: PolicyClient, messages: list[Message] | None = None, *, priority: int
    ) -> AsyncGenerator[Delta, None]:
        """What the policy says, in pieces: to this request, or to `messages` that go on from it. Raises PolicyError."""
        ask = partial(client.stream, messages or self.messages, response_format=self.response_format, priority=priority)
        return answer(ask, self.sampling, self.codec, self.inquiry, self.exchanges)


def prompt_for_turn(turn_id: int) -> Prompt:
    """Raises PolicyError where what answers was found to be another version: its turns would carry a false name."""
    related = ("case", "model_version", "endpoint")
    turns = Turn.objects.select_related(*(f"consultation__{name}" for name in related))
    turn = turns.get(pk=turn_id)
    if turn.consultation.endpoint.identity_ok is False:
        raise PolicyError("the server was found to answer as another version", code="not_this_version")
    return prompt_for(turn)


def prompt_for(turn: Turn) -> Prompt:
    """For a streaming agent turn."""
    consultation = turn.consultation
    codec = by_name(consultation.model_version.codec)
    sampling = served()
    inquiry, exchanges = told(consultation, codec, before=turn.number)
    return Prompt(
        endpoint=consultation.endpoint,
        codec=codec,
        inquiry=inquiry,
        exchanges=exchanges,
        messages=codec.messages(inquiry, exchanges, force_final=turn.forced),
        response_format=codec.response_format(force_final=turn.forced),
        sampling=sampling,
        identity=identity(consultation, codec, sampling),
        must_end=turn.forced,
    )


def served(**changes: Any) -> Sampling:
    """How the product samples: what is likeliest, under the rules of agents.answers."""
    return ruled(Sampling(**{"max_tokens": settings.POLICY_MAX_TOKENS, **changes}))


def api_key(endpoint: Endpoint) -> str | None:
    return os.environ.get(endpoint.api_key_variable) if endpoint.api_key_variable else None


def identity(consultation: Consultation, codec: Codec, sampling: Sampling) -> dict[str, Any]:
    return identity_of(consultation.model_version, consultation.endpoint, codec, sampling)


def identity_of(version: ModelVersion, endpoint: Endpoint, codec: Codec, sampling: Sampling) -> dict[str, Any]:
    """Who answers, as it is kept with every turn."""
    return PolicyIdentity(
        version=version.version,
        base=version.base,
        adapter=version.adapter or None,
        prompt=codec.digest,
        engine=endpoint.engine,
        sampling=sampling,
        probe=version.manifest.get("probe"),
    ).as_dict()


def told(consultation: Consultation, codec: Codec, *, before: int) -> tuple[Inquiry, list[Exchange]]:
    """The first presentation, and every completed agent turn with what came back.

    The agent's own words are repeated byte for byte, so that each prompt continues the one before it. What was
    undone is left out as if it had never been said.
    """
    turns = list(consultation.turns.filter(number__lt=before, retracted_at=None))
    said = _said(turns)
    answers = [turn for turn in turns if turn.role != TurnRole.AGENT]
    bounds = [turn.number for turn, _ in said] + [before]
    exchanges = []
    for (_, text), (start, end) in zip(said, pairwise(bounds), strict=True):
        replies = [answer for answer in answers if start < answer.number < end]
        exchanges.append(Exchange(said=text, reply=_reply(codec, replies)))
    return _inquiry(consultation, [turn for turn in answers if turn.number < bounds[0]]), exchanges


def _said(turns: list[Turn]) -> list[tuple[Turn, str]]:
    done = [turn for turn in turns if turn.role == TurnRole.AGENT and turn.status == TurnStatus.COMPLETE]
    if not done:
        return []
    texts = dict(ModelOutput.objects.filter(turn__in=done, complete=True).values_list("turn_id", "text"))
    return [(turn, texts[turn.pk]) for turn in done]


def _inquiry(consultation: Consultation, early: list[Turn]) -> Inquiry:
    """Facts entered with the case, and what was written before the agent first answered, belong to the history."""
    inquiry = case_record(consultation.case).inquiry()
    entered = [
        f"{fact.name}: {fact.text}" for fact in consultation.case.findings.filter(consultation=None, retracted_at=None)
    ]
    lines = [*entered, *map(_early, early)]
    if lines:
        inquiry.history["note"] = "\n".join(lines)
    return inquiry


def _early(turn: Turn) -> str:
    """What was written before the agent first answered; a result with the name of its examination."""
    named = turn.role == TurnRole.ENVIRONMENT and (turn.matched or turn.request)
    return f"{turn.matched or turn.request}: {turn.text}" if named else turn.text


def _reply(codec: Codec, turns: list[Turn]) -> str:
    return codec.reply(list(_observations(turns)), note="\n".join(turn.text for turn in turns if not turn.source))


def _observations(turns: list[Turn]) -> Iterator[Observation]:
    for turn in turns:
        if turn.source:
            yield Observation(turn.text, Source(turn.source), request=turn.request, matched=turn.matched or None)
