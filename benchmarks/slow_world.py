"""A world that takes its time, as one behind a language model does; the same for the same request."""

from __future__ import annotations

import asyncio
from hashlib import blake2b

from agents.environment import ConsultationEnv, World
from agents.types import Observation


class SlowWorld:
    """Any world, `mean` seconds later: between half and one and a half times that, by the request."""

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
        drawn = blake2b(f"{self.case}\x1f{request}".encode(), digest_size=4).digest()
        return self.mean * (0.5 + int.from_bytes(drawn) / 2**32)


def slow(env: ConsultationEnv, mean: float) -> ConsultationEnv:
    """The environment with its world slowed down."""
    env.world = SlowWorld(env.world, env.case, mean)
    return env
