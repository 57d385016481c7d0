"""Slot S3: what an episode learned about its virtual patient, and what that cost, by the oracle's own account.

The episode is played again in a fresh virtual world, which answers as it did then, and the exact posterior is read
after every action. Prices are those of the planner, in units of one correct diagnosis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.environment import ConsultationEnv
from agents.types import ActionKind, Episode
from agents.world.planning import CostModel
from agents.world.virtual_world import VirtualWorld
from training.methods.registry import register
from training.methods.rewards import Array, Context

EXTRA = "information"
NAMES = ("information", "cost")
"""The components that need an account."""


@dataclass(frozen=True, slots=True)
class Account:
    """Of each utterance: the bits it took off the uncertainty (T,), and its price (T,); `at_first` bits before all."""

    bits: Array
    prices: Array
    at_first: float


async def account(episode: Episode) -> Account:
    """Raises agents.world.virtual.UnknownCase where the episode is of no virtual patient."""
    world = VirtualWorld(episode.case)
    env = ConsultationEnv(world, world.record)
    await env.reset()
    now = at_first = world.belief().entropy()
    bits, prices, model = [], [], CostModel()
    seen: set[str] = set()
    for action in (turn.action for turn in episode.turns if turn.role == "agent"):
        price = 0.0
        if action is not None and not action.kind.is_final:
            result = await env.step(action)
            if action.kind is ActionKind.ASK:
                price = model.per_turn + model.question
            else:
                names = {o.matched for o in result.observations if o.matched} - seen
                seen |= names
                price = _price(world, names, model) or model.per_turn
        before, now = now, world.belief().entropy() if action is not None else now
        bits.append(before - now)
        prices.append(price)
    return Account(np.array(bits), np.array(prices), at_first)


def _price(world: VirtualWorld, names: set[str], model: CostModel) -> float:
    exams = world.case.patient.model.known.catalogue.exams
    return sum(model.price(entry) for entry in exams.values() if entry.name in names)


@register("reward", "information")
def information(episode: Episode, context: Context) -> Array:
    """Share of the patient's first uncertainty that each utterance took away, below 0 where it misled. (T,)

    KeyError where no account was taken.
    """
    told: Account = context.extra[EXTRA]
    return told.bits / max(told.at_first, 1e-9)


@register("reward", "cost")
def cost(episode: Episode, context: Context) -> Array:
    """The price of each utterance, at least 0: give it a negative weight. KeyError where no account was taken. (T,)"""
    told: Account = context.extra[EXTRA]
    return told.prices
