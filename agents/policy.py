"""A policy: a model behind a client, the codec it speaks, how it samples, and who it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import blake2b
from typing import Protocol

from agents.answers import answer
from agents.client import Completion, PolicyClient, whole
from agents.codecs import Codec
from agents.types import Action, Exchange, Inquiry, PolicyIdentity, Sampling


class Speaker(Protocol):
    """What can play an episode: a Policy, a panel of prompts over one, a rule (training.evaluation.policies)."""

    @property
    def codec(self) -> Codec: ...

    @property
    def identity(self) -> PolicyIdentity: ...

    async def say(
        self,
        inquiry: Inquiry,
        exchanges: Sequence[Exchange],
        *,
        force_final: bool = False,
        priority: int = 0,
        tokens: bool = False,
    ) -> Completion: ...

    def parse(self, text: str) -> Action: ...


@dataclass(frozen=True, slots=True)
class Policy:
    """What speaks. `identity.prompt` must be the codec's digest: ValueError, since a wrong identity is silent.

    `case` gives each turn of each case its own seed, made of the sampling's: an engine that starts every request anew
    from one seed draws the same noise for all of them.
    """

    client: PolicyClient
    codec: Codec
    sampling: Sampling
    identity: PolicyIdentity
    case: str = ""

    def __post_init__(self) -> None:
        if self.identity.prompt != self.codec.digest or self.identity.sampling != self.sampling:
            raise ValueError("the identity names another prompt or other sampling than the policy uses")

    async def say(
        self,
        inquiry: Inquiry,
        exchanges: Sequence[Exchange],
        *,
        force_final: bool = False,
        priority: int = 0,
        tokens: bool = False,
    ) -> Completion:
        """The raw text of the next turn; raises PolicyError."""
        ask = partial(
            self.client.stream,
            self.codec.messages(inquiry, exchanges, force_final=force_final),
            response_format=self.codec.response_format(force_final=force_final),
            priority=priority,
            tokens=tokens,
        )
        how = self._sampling(len(exchanges))
        return await whole(answer(ask, how, self.codec, inquiry, exchanges))

    def _sampling(self, turn: int) -> Sampling:
        if not self.case or self.sampling.seed is None:
            return self.sampling
        digest = blake2b(f"{self.sampling.seed}/{self.case}/{turn}".encode(), digest_size=4).digest()
        return replace(self.sampling, seed=int.from_bytes(digest) % 2**31)

    def parse(self, text: str) -> Action:
        """The action of a raw text, or MalformedAction."""
        return self.codec.parse(text)
