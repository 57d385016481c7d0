"""A world that takes its time, as one behind a language model does; the same for the same request.

Times are log-normal, like the lengths of what such a world writes: a troponin is a few tokens, a CT report hundreds.
DiagGym takes 0.52 s a result on average (arXiv 2510.24654, table of efficiency). The log-standard deviation of the
lengths of recorded results is 0.77 in MedR-Bench (609 results) and 1.15 in AgentClinic (661): SPREAD lies between.
"""

from __future__ import annotations

import asyncio
import math
import random
from hashlib import blake2b

from agents.environment import ConsultationEnv, World
from agents.types import Observation

SPREAD = 0.9


class SlowWorld:
    """Any world, on average `mean` seconds later; how much depends on the request alone."""

    def __init__(self, world: World, case: str, mean: float) -> None:
        self.world, self.case, self.mean = world, case, mean
        self.identity = dict(getattr(world, "identity", {}))

    async def examine(self, request: str) -> list[Observation]:
        await asyncio.sleep(self.delay(request))
        return await self.world.examine(request)

    async def ask(self, question: str) -> Observation:
        await asyncio.sleep(self.delay(question))
        return await self.world.ask(question)

    def delay(self, request: str) -> float:
        """Seconds."""
        drawn = blake2b(f"{self.case}\x1f{request}".encode(), digest_size=8).digest()
        return self.mean * math.exp(random.Random(int.from_bytes(drawn)).gauss(-(SPREAD**2) / 2, SPREAD))


def slow(env: ConsultationEnv, mean: float) -> ConsultationEnv:
    """The environment with its world slowed down."""
    env.world = SlowWorld(env.world, env.case, mean)
    return env
