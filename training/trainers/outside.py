"""Inquiries about what the knowledge does not cover, and the one right answer to them: a deferral that says why.

All texts are the authors'. Some share findings with conditions of the knowledge, so that cards come up and fit badly.
"""

from __future__ import annotations

import random

from agents.codecs.base import Codec
from agents.codecs.cards import facts_after
from agents.knowledge.cards import search
from agents.knowledge.conditions import knowledge
from agents.types import Action, ActionKind, Hypothesis, HypothesisGroup, Inquiry
from training.trainers.outside_words import AGES, ASKS, COMPLAINTS, MISSING, WHY, Outside
from training.trainers.workup import Workup

LITTLE = (0.03, 0.02, 0.02)
"""What is stated of the conditions that fit least badly: hardly anything."""


def deferral(number: int, *, seed: int, codec: Codec) -> Workup:
    """A consultation of one action about complaint `number` (any whole number), in a wording of the seed."""
    rng = random.Random(f"{seed}:outside:{number}")
    inquiry, topic = presentation(rng)
    cards = search(facts_after(inquiry, ()), limit=len(LITTLE))
    known = knowledge().conditions
    differential = tuple(
        Hypothesis(
            card.name, p, HypothesisGroup.CANT_MISS if known[card.condition].cant_miss else HypothesisGroup.OTHER
        )
        for card, p in zip(cards, LITTLE, strict=False)
    )
    reason = rng.choice(WHY).format(topic=topic.needs)
    action = Action(ActionKind.DEFER, rng.choice(MISSING).format(topic=topic.needs), reason, differential)
    told = [message.as_dict() for message in codec.messages(inquiry, [])]
    return Workup([*told, {"role": "assistant", "content": codec.encode(action)}], 2, "outside", str(action.kind))


def presentation(rng: random.Random) -> tuple[Inquiry, Outside]:
    """A person with a complaint from outside the knowledge; the complaint alone, or with details in some order."""
    topic = rng.choice(COMPLAINTS)
    low, high = AGES[topic.who]
    sex = topic.sex or rng.choice(("female", "male"))
    details = rng.sample(topic.details, rng.randint(1, len(topic.details)))
    told = " ".join(details)
    if rng.random() < 0.3:
        told = f"{told} {rng.choice(ASKS)}"
    return Inquiry(rng.randint(low, high), sex, topic.complaint, {"hpi": told}), topic
