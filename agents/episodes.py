"""Episodes read back from their JSON, and what they say: what was ordered, how sure the diagnosis was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.types import (
    Action,
    ActionKind,
    End,
    Episode,
    EpisodeTurn,
    Hypothesis,
    HypothesisGroup,
    Observation,
    PolicyIdentity,
    Sampling,
    Source,
    TokenTrace,
    Value,
)


def load(data: Mapping[str, Any]) -> Episode:
    """The Episode of one JSON object; raises KeyError, TypeError or ValueError where it is none."""
    policy = {**data["policy"], "sampling": Sampling(**data["policy"]["sampling"])}
    return Episode(
        case=data["case"],
        group=data["group"],
        policy=PolicyIdentity(**policy),
        world=dict(data["world"]),
        turns=[_turn(turn) for turn in data["turns"]],
        facts=list(data["facts"]),
        cost=dict(data["cost"]),
        seconds=data["seconds"],
        end=End(data["end"]) if data["end"] else None,
        diagnosis=data["diagnosis"],
        forced=data["forced"],
        reward=data["reward"],
        error=data["error"],
    )


def ordered(episode: Episode) -> list[str]:
    """What every Examine asked for, in the policy's words, repeats included."""
    return [turn.action.target for turn in episode.turns if turn.action and turn.action.kind is ActionKind.EXAMINE]


def utterances(episode: Episode) -> int:
    """How often the policy spoke, malformed answers included: the T of rewards and credit."""
    return sum(turn.role == "agent" for turn in episode.turns)


def malformed_turns(episode: Episode) -> int:
    """Agent turns that were not exactly one action."""
    return sum(turn.role == "agent" and turn.action is None for turn in episode.turns)


def confidence(episode: Episode) -> float | None:
    """The probability that the last action gave its own diagnosis, 0..1; None where it gave none."""
    actions = [turn.action for turn in episode.turns if turn.action]
    if not actions or actions[-1].kind is not ActionKind.DIAGNOSE:
        return None
    last = actions[-1]
    named = [h for h in last.differential if h.diagnosis.casefold() == last.target.casefold()]
    chosen = (named or list(last.differential))[:1]
    return chosen[0].probability if chosen else None


def _turn(data: Mapping[str, Any]) -> EpisodeTurn:
    tokens = data.get("tokens")
    return EpisodeTurn(
        n=data["n"],
        role=data["role"],
        text=data["text"],
        action=action(data["action"]) if data["action"] else None,
        observations=tuple(_observation(row) for row in data["observations"]),
        tokens=TokenTrace(*(tuple(tokens[name]) for name in ("ids", "logprobs", "mask"))) if tokens else None,
        seconds=data["seconds"],
        dropped=tuple(data.get("dropped", ())),
    )


def action(data: Mapping[str, Any]) -> Action:
    """The Action of one JSON object (contracts.md); raises KeyError or ValueError where it is none."""
    rows = [
        Hypothesis(
            row["diagnosis"],
            row["probability"],
            HypothesisGroup(row["group"]),
            tuple(row["for"]),
            tuple(row["against"]),
        )
        for row in data["differential"]
    ]
    return Action(ActionKind(data["action"]), data["target"], data["reason"], tuple(rows))


def _observation(data: Mapping[str, Any]) -> Observation:
    values = tuple(Value(**row) for row in data["values"])
    return Observation(**{**data, "source": Source(data["source"]), "values": values})
