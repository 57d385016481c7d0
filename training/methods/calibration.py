"""Stated confidence as the exact posterior has it: an agent's consultation said again with the oracle's percentages.

Distillation on-policy: the agent keeps its actions, reasons and the diseases that it names, in its order; only the
probabilities become what the oracle knew at that moment, so that they are learned where the agent goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from agents.answers import UNFIT
from agents.codecs.base import Codec
from agents.environment import ConsultationEnv
from agents.matching.ontology import ontology
from agents.types import Action, Episode, Exchange, Hypothesis
from agents.world.virtual_world import VirtualWorld

LEAST = 0.01
"""What the wire form can say at least; a disease outside the complaint's posterior has next to no chance."""


async def calibrated(episode: Episode, codec: Codec) -> dict[str, Any] | None:
    """{"prompt", "completion"} of a consultation in the codec's words; None where it has none to learn from.

    It ends before the first malformed answer, and before a deferral that a rule made (agents.answers). The virtual
    patient answers as it did then; raises agents.world.virtual.UnknownCase for no virtual patient.
    """
    world = VirtualWorld(episode.case)
    env = ConsultationEnv(world, world.record)
    inquiry = await env.reset()
    exchanges: list[Exchange] = []
    for turn in (turn for turn in episode.turns if turn.role == "agent"):
        if turn.action is None or UNFIT in turn.dropped:
            break
        action = turn.action
        said = codec.encode(stated(action, dict(world.belief().ranked())))
        result = await env.step(action)
        exchanges.append(Exchange(said, codec.reply(result.observations)))
    if not exchanges:
        return None
    messages = [message.as_dict() for message in codec.messages(inquiry, exchanges[:-1])]
    last = {"role": "assistant", "content": exchanges[-1].said}
    return {"prompt": messages[:2], "completion": [*messages[2:], last]}


def stated(action: Action, posterior: Mapping[str, float]) -> Action:
    """The action with each disease's posterior as its probability; one that is no known condition gets LEAST."""

    def probability(hypothesis: Hypothesis) -> float:
        resolved = ontology().resolve(hypothesis.diagnosis)
        return max(LEAST, posterior.get(resolved.condition, 0.0)) if resolved else LEAST

    told = tuple(replace(hypothesis, probability=probability(hypothesis)) for hypothesis in action.differential)
    return replace(action, differential=told)
