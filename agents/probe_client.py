"""What identity probes ask of a server: which names it knows, and the log-probs of tokens that are given to it.

Contract as in agents/client.py: every failure is a PolicyError with a `code`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

from agents.completions import CompletionClient
from agents.errors import PolicyError

LAST = 1000
"""Priority of probes: behind everybody who waits."""


class ProbeClient(CompletionClient):
    """Speaks to one model of one server, as PolicyClient does."""

    async def served(self) -> list[str]:
        """The names by which the server knows models. Raises PolicyError."""
        listed: list[dict[str, Any]] = (await self._ask(f"{self.url}/models")).get("data") or []
        return [str(entry.get("id")) for entry in listed]

    async def greedy(self, prompt: str, tokens: int) -> tuple[list[int], list[int]]:
        """(prompt ids, ids of the greedy answer of at most so many tokens). Raises PolicyError."""
        body = {"prompt": prompt, "max_tokens": tokens, "return_token_ids": True, "add_special_tokens": False}
        choice = await self._choice(body)
        try:
            return [int(i) for i in choice["prompt_token_ids"]], [int(i) for i in choice["token_ids"]]
        except (KeyError, TypeError, ValueError) as error:
            raise PolicyError("the model server tells no token ids", code="policy_garbled") from error

    async def logprobs_of(self, prompt: Sequence[int], answer: Sequence[int]) -> tuple[float, ...]:
        """Log-probs (T,) in nats that the model gives to the answer's token ids (T,) after the prompt's (P,).

        Nothing is sampled but one token that is thrown away. Raises PolicyError.
        """
        ids = [*prompt, *answer]
        choice = await self._choice({"prompt": ids, "max_tokens": 1, "prompt_logprobs": 0})
        told = (choice.get("prompt_logprobs") or [])[len(prompt) :]
        try:
            read = tuple(float(at[str(token)]["logprob"]) for at, token in zip(told, answer, strict=True))
        except (KeyError, TypeError, ValueError) as error:
            raise PolicyError("the model server gives no log-probs of a prompt", code="policy_garbled") from error
        if not all(map(isfinite, read)):
            # Broken weights; a distance to NaN is neither near nor far, so nothing would be noticed.
            raise PolicyError("the model server gives log-probs that are no numbers", code="policy_garbled")
        return read

    async def _choice(self, body: dict[str, Any]) -> dict[str, Any]:
        whole = {"model": self.model, "temperature": 0.0, "priority": LAST, **body}
        try:
            choice: dict[str, Any] = (await self._ask(f"{self.url}/completions", whole))["choices"][0]
        except (KeyError, IndexError, TypeError) as error:
            raise PolicyError("the model server said what is not its protocol", code="policy_garbled") from error
        return choice
