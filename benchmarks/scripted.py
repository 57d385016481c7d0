"""What the latency engine says: DiagAgent turns that depend on the conversation and the seed alone.

Shapes follow the published figures (arXiv 2510.24654): five to seven turns on average, at most 12; one examination a
turn. The length of a turn is log-normal, an assumption: the paper gives none, and its limit is 512 tokens.
"""

from __future__ import annotations

import math
import random
from functools import cache
from hashlib import blake2b

import orjson

from agents.codecs import DialectCodec
from agents.types import Action, ActionKind, Hypothesis
from agents.world.model import model

STOP = 0.2
"""Chance to diagnose at each turn from the second on: a mean of about six turns."""
REASON_TOKENS, SPREAD, LONGEST = 70.0, 0.6, 440
"""Median and log-standard deviation of the reason; with the fixed sentences a turn has about 120 tokens."""
WORDS = "because the pain is worse with deep breaths and the history does not rule out an acute cause so we need to see"


def answer(messages: list[dict[str, str]], seed: int | None) -> str:
    """One assistant turn in the DiagAgent dialect."""
    digest = blake2b(orjson.dumps([messages, seed]), digest_size=8).digest()
    rng = random.Random(int.from_bytes(digest))
    turn = 1 + sum(message["role"] == "assistant" for message in messages)
    conditions, examinations = _names()
    diagnosis = rng.choice(conditions)
    stops = turn > 1 and rng.random() < STOP
    kind = ActionKind.DIAGNOSE if stops else ActionKind.EXAMINE
    target = diagnosis if stops else rng.choice(examinations)
    return DialectCodec().encode(Action(kind, target, _reason(rng), (Hypothesis(diagnosis),)))


def _reason(rng: random.Random) -> str:
    tokens = min(LONGEST, max(8, round(REASON_TOKENS * math.exp(rng.gauss(0.0, SPREAD)))))
    return (WORDS * (tokens * 4 // len(WORDS) + 1))[: tokens * 4].strip()


@cache
def _names() -> tuple[list[str], list[str]]:
    known = model().known
    conditions = sorted(condition.name for condition in known.conditions.values())
    return conditions, sorted(exam.name for exam in known.catalogue.exams.values())
