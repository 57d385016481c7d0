"""Inquiries about what the knowledge does not cover, and the one right answer to them: a deferral that says why.

Complaints are in outside.yaml. Some are those of the knowledge with a picture that is not, so that cards come up and
fit badly.
"""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path
from typing import Any

from agents.codecs.base import Codec
from agents.codecs.cards import facts_after
from agents.knowledge.cards import search
from agents.knowledge.conditions import knowledge
from agents.knowledge.files import read
from agents.types import Action, ActionKind, Hypothesis, HypothesisGroup, Inquiry
from training.trainers.workup import Workup

WORDS = Path(__file__).with_name("outside.yaml")
LITTLE = (0.03, 0.02, 0.02)
"""What is stated of the conditions that fit least badly: hardly anything."""


def deferral(number: int, *, seed: int, codec: Codec) -> Workup:
    """A consultation of one action, drawn by `number` and the seed."""
    rng = random.Random(f"{seed}:outside:{number}")
    inquiry, needs = presentation(rng)
    words = _words()
    missing, why = (rng.choice(words[key]).replace("{topic}", needs) for key in ("missing", "why"))
    action = Action(ActionKind.DEFER, missing, why, _hardly(inquiry))
    told = [message.as_dict() for message in codec.messages(inquiry, [])]
    return Workup([*told, {"role": "assistant", "content": codec.encode(action)}], 2, "outside", str(action.kind))


def presentation(rng: random.Random) -> tuple[Inquiry, str]:
    """A person with such a complaint and some of its details, and what that needs."""
    topic = rng.choice(_words()["complaints"])
    low, high = _words()["ages"][topic["who"]]
    sex = topic.get("sex") or rng.choice(("female", "male"))
    # The last detail alone would often say nothing: at least two are told.
    told = rng.sample(topic["details"], rng.randint(2, len(topic["details"])))
    if rng.random() < 0.3:
        told.append(rng.choice(_words()["asks"]))
    return Inquiry(rng.randint(low, high), sex, topic["complaint"], {"hpi": " ".join(told)}), topic["needs"]


def _hardly(inquiry: Inquiry) -> tuple[Hypothesis, ...]:
    known = knowledge().conditions
    cards = search(facts_after(inquiry, ()), limit=len(LITTLE))
    groups = [HypothesisGroup.CANT_MISS if known[c.condition].cant_miss else HypothesisGroup.OTHER for c in cards]
    return tuple(Hypothesis(c.name, p, group) for c, p, group in zip(cards, LITTLE, groups, strict=False))


@cache
def _words() -> dict[str, Any]:
    return dict(read(WORDS))
