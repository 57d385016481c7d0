"""The greedy oracle's work-ups of virtual training patients, said plainly and alike: enough to learn a form from."""

from __future__ import annotations

import asyncio
from functools import cache

from agents.codecs import BriefCodec
from agents.codecs.base import Codec
from agents.rollout import run_episode
from agents.types import Episode, Exchange, Inquiry, Observation
from agents.world.virtual import case_id
from training.evaluation.cases import virtual_case
from training.evaluation.policies import GreedyOracle


def workup(number: int) -> list[dict[str, str]]:
    """The whole consultation of training patient `number`; RuntimeError where it did not end in a diagnosis."""
    case = virtual_case(case_id("train", number))
    env = case.environment()
    episode = asyncio.run(run_episode(_oracle().seat(case.id, env.world), env))
    if episode.diagnosis is None:
        raise RuntimeError(f"the oracle's work-up of {case.id} has no diagnosis: {episode.error or episode.end}")
    return messages_of(episode, case.record.inquiry(), BriefCodec())


def messages_of(episode: Episode, inquiry: Inquiry, codec: Codec) -> list[dict[str, str]]:
    """An episode said again in another codec's words, to its last action."""
    actions = [turn.action for turn in episode.turns if turn.action]
    answers: list[tuple[Observation, ...]] = [t.observations for t in episode.turns if t.role == "environment"]
    exchanges = [
        Exchange(codec.encode(action), codec.reply(seen))
        for action, seen in zip(actions[: len(answers)], answers, strict=True)
    ]
    told = [message.as_dict() for message in codec.messages(inquiry, exchanges)]
    return [*told, {"role": "assistant", "content": codec.encode(actions[-1])}]


@cache
def _oracle() -> GreedyOracle:
    return GreedyOracle()
