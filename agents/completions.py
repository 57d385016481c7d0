"""Plain completions of the same servers: a prompt is written on, for models that are no chat models.

Contract as in agents/client.py: every failure is a PolicyError with a `code`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import orjson

from agents.client import PolicyClient
from agents.errors import PolicyError
from agents.sse import Delta
from agents.types import Sampling

DEFAULT_CONTEXT = 4096
"""Tokens of prompt and answer together, where the server does not say."""


class CompletionClient(PolicyClient):
    """Speaks to one model of one server, as PolicyClient does; `url` is the server's root or its /v1."""

    _context: int | None = None

    async def write(
        self, prompt: str, *, sampling: Sampling, stop: Sequence[str] = (), priority: int = 0
    ) -> AsyncGenerator[Delta, None]:
        """What the model writes after the prompt, in pieces, without the stop string that ended it.

        The last Delta has `finish`: `stop`, or `length` where it was cut off. Raises PolicyError.
        """
        body = self._prompt(prompt, sampling, stop, priority)
        async with self.breaker.guard(), aclosing(self._events(body, "completions")) as events:
            async for delta in events:
                yield delta

    async def context(self) -> int:
        """Tokens that prompt and answer may have together, asked once. Raises PolicyError."""
        if self._context is None:
            listed: list[dict[str, Any]] = (await self._ask(f"{self.url}/models")).get("data") or []
            told = [entry.get("max_model_len") for entry in listed if entry.get("id") == self.model]
            self._context = int(next(filter(None, told), DEFAULT_CONTEXT))
        return self._context

    async def tokens(self, prompt: str) -> int | None:
        """How many tokens the prompt has; None where the server does not count. Raises PolicyError."""
        address = f"{self.url.removesuffix('/v1')}/tokenize"
        try:
            told = await self._ask(address, {"model": self.model, "prompt": prompt, "add_special_tokens": False})
        except PolicyError as error:
            if error.code == "policy_rejected":  # not vLLM
                return None
            raise
        return int(told["count"])

    async def _ask(self, address: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One JSON answer, by GET without a body."""
        data = None if body is None else orjson.dumps(body)
        async with self._response(address, data) as (response, _):
            try:
                found: dict[str, Any] = orjson.loads(await response.read())
            except orjson.JSONDecodeError as error:
                raise PolicyError("the model server said what is not its protocol", code="policy_garbled") from error
        return found

    def _prompt(self, prompt: str, sampling: Sampling, stop: Sequence[str], priority: int) -> bytes:
        body: dict[str, Any] = {
            "model": self.model,
            "prompt": prompt,
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "stop": list(stop),
            # vLLM leaves special tokens out of the text, and would then not see a stop string that is one.
            "skip_special_tokens": False,
            # As in training: the document alone.
            "add_special_tokens": False,
        }
        if sampling.seed is not None:
            body["seed"] = sampling.seed
        if priority:
            body["priority"] = priority
        return orjson.dumps(body)
