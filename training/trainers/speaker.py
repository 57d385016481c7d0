"""Speaks for the policy under training, one seat per episode: what is trained on are the ids that were sampled.

Each turn's prompt is the ids so far plus what the chat template writes between two of the agent's answers. Nothing the
policy said is ever decoded and encoded again: another split of the same text into tokens would be trained on instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from agents.client import Completion, PolicyError, Usage
from agents.codecs.base import Codec
from agents.environment import World
from agents.token_client import Sampled
from agents.types import Action, Exchange, Inquiry, PolicyIdentity, Sampling
from training.trainers.dialogue import BadDialogue, ids_of, rendered


class Sampler(Protocol):
    """A server (agents.token_client.TokenClient) or the model in this process (local_sampler.LocalSampler)."""

    async def sample(self, prompt: Sequence[int], sampling: Sampling) -> Sampled: ...


@dataclass
class Trace:
    """Everything of one episode: ids (N,), mask (N,) 1 where the policy sampled, log-probs (N,) of those, else 0."""

    ids: list[int] = field(default_factory=list)
    mask: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)

    def add(self, ids: Sequence[int], logprobs: Sequence[float] | None = None) -> None:
        """Tokens of the environment, or with `logprobs` those that were sampled."""
        self.ids += ids
        self.mask += [int(logprobs is not None)] * len(ids)
        self.logprobs += list(logprobs) if logprobs is not None else [0.0] * len(ids)


class TokenSpeaker:
    """One seat. `context` is the most tokens that prompt and answer may have together."""

    def __init__(
        self, sampler: Sampler, tokenizer: Any, codec: Codec, identity: PolicyIdentity, context: int, seed: int | None
    ) -> None:
        self.codec, self.identity = codec, identity
        self.trace = Trace()
        self._sampler, self._tokenizer, self._context, self._seed = sampler, tokenizer, context, seed

    async def say(
        self,
        inquiry: Inquiry,
        exchanges: Sequence[Exchange],
        *,
        force_final: bool = False,
        priority: int = 0,
        tokens: bool = False,
    ) -> Completion:
        """The next turn; raises PolicyError."""
        told = self.codec.messages(inquiry, exchanges, force_final=force_final)
        self.trace.add(self._new_ids([message.as_dict() for message in told]))
        room = self._context - len(self.trace.ids)
        if room < 1:
            raise PolicyError("the consultation no longer fits the model's context", code="context_exceeded")
        sampling = self.identity.sampling
        seed = None if self._seed is None else (self._seed + len(exchanges)) % 2**31
        prompt = tuple(self.trace.ids)
        sampled = await self._sampler.sample(
            prompt, replace(sampling, max_tokens=min(room, sampling.max_tokens), seed=seed)
        )
        self.trace.add(sampled.ids, sampled.logprobs)
        return Completion(
            text=self._tokenizer.decode(sampled.ids, skip_special_tokens=True),
            finish=sampled.finish,
            usage=Usage(len(prompt), len(sampled.ids)),
            prompt_ids=prompt,
            token_ids=sampled.ids,
            logprobs=sampled.logprobs,
        )

    def parse(self, text: str) -> Action:
        return self.codec.parse(text)

    def _new_ids(self, messages: list[dict[str, str]]) -> list[int]:
        """What stands between the last sampled token and the next."""
        whole = rendered(self._tokenizer, messages, answer=True)
        if not self.trace.ids:
            return ids_of(self._tokenizer, whole)
        said = rendered(self._tokenizer, messages[:-2], answer=True) + messages[-2]["content"]
        if not whole.startswith(said):
            raise BadDialogue("The chat template changes what was said before.")
        between = whole.removeprefix(said)
        if self.trace.ids[-1] == self._tokenizer.eos_token_id:
            between = between.removeprefix(self._tokenizer.eos_token)
        return ids_of(self._tokenizer, between)


@dataclass
class TokenPlayer:
    """Gives every environment of a group a seat of its own; `seats` are in the order of the episodes."""

    name: str
    identity: PolicyIdentity
    open: Callable[[int], TokenSpeaker]
    seats: list[TokenSpeaker] = field(default_factory=list)

    def seat(self, case: str, world: World) -> TokenSpeaker:
        self.seats.append(self.open(len(self.seats)))
        return self.seats[-1]
