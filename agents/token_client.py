"""Token ids in, token ids out: what a trainer samples from a server, with nothing decoded and encoded again between.

Contract as in agents/client.py: every failure is a PolicyError with a `code`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from agents.completions import CompletionClient
from agents.errors import PolicyError
from agents.types import Sampling

PRIORITY = 10
"""Behind a waiting clinician, whose requests have priority 0."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """Sampled ids (T,), the end-of-turn token included where it was reached, and their log-probs (T,) in nats."""

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish: str


class TokenClient(CompletionClient):
    """Samples from one model of one vLLM server, which must give processed log-probs; `url` is its root or /v1."""

    async def sample(self, prompt: Sequence[int], sampling: Sampling) -> Sampled:
        """What the model says after the prompt's ids (P,). Raises PolicyError."""
        body: dict[str, Any] = {
            "model": self.model,
            "prompt": list(prompt),
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "logprobs": 0,
            "return_token_ids": True,
            "priority": PRIORITY,
        }
        if sampling.seed is not None:
            body["seed"] = sampling.seed
        async with self.breaker.guard():
            told = await self._ask(f"{self.url}/completions", body)
        try:
            choice = told["choices"][0]
            ids, logprobs = choice["token_ids"], choice["logprobs"]["token_logprobs"]
            sampled = Sampled(tuple(map(int, ids)), tuple(map(float, logprobs)), str(choice["finish_reason"]))
        except (KeyError, IndexError, TypeError) as error:
            raise PolicyError("the model server gives no token ids with log-probs", code="policy_garbled") from error
        if len(sampled.ids) != len(sampled.logprobs):
            raise PolicyError("the model server gives other log-probs than token ids", code="policy_garbled")
        return sampled

    async def reload(self, weights: str) -> None:
        """Load other weights in place and forget what was cached of the old ones. Raises PolicyError.

        Needs VLLM_SERVER_DEV_MODE=1; those addresses have no authorisation, so such a server listens on loopback.
        """
        root = self.url.removesuffix("/v1")
        await self._command(f"{root}/pause?mode=keep", {})
        await self._command(f"{root}/collective_rpc", {"method": "reload_weights", "kwargs": {"weights_path": weights}})
        await self._command(f"{root}/reset_prefix_cache", {})
        await self._command(f"{root}/resume", {})

    async def _command(self, address: str, body: dict[str, Any]) -> None:
        async with self._response(address, orjson.dumps(body)) as (response, _):
            await response.read()
