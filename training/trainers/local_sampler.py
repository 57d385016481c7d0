"""Samples in the trainer's own process, for tests and machines without a model server: slow, and always in step."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import torch

from agents.token_client import Sampled
from agents.types import Sampling

GATHER_SECONDS = 0.005
"""Episodes step together, so that requests which come within this time are one batch."""

Waiting = tuple[Sequence[int], Sampling, "asyncio.Future[Sampled]"]


class LocalSampler:
    """Batches what many episodes ask for at once; `model` is read as it is at that moment."""

    def __init__(self, model: Any, *, end: int, pad: int, batch: int = 64) -> None:
        self._model, self._end, self._pad, self._batch = model, end, pad, batch
        self._waiting: list[Waiting] = []

    async def sample(self, prompt: Sequence[int], sampling: Sampling) -> Sampled:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sampled] = loop.create_future()
        if not self._waiting:
            loop.call_later(GATHER_SECONDS, self._flush)
        self._waiting.append((prompt, sampling, answer))
        return await answer

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), self._batch):
            chosen = [one for one in waiting[start : start + self._batch] if not one[2].cancelled()]
            try:
                answers = self._generate([one[0] for one in chosen], [one[1] for one in chosen]) if chosen else []
            except Exception as error:  # noqa: BLE001 - handed to those who wait, or they would wait for ever
                for _, _, future in chosen:
                    future.set_exception(error)
                continue
            for (_, _, future), answer in zip(chosen, answers, strict=True):
                future.set_result(answer)

    @torch.no_grad()
    def _generate(self, prompts: list[Sequence[int]], samplings: list[Sampling]) -> list[Sampled]:
        """One batch of prompts (B, P), padded on the left; answers end at the end-of-turn token."""
        sampling = samplings[0]
        most = max(one.max_tokens for one in samplings)
        longest = max(map(len, prompts))
        ids = torch.full((len(prompts), longest), self._pad)
        real = torch.zeros_like(ids)
        for n, prompt in enumerate(prompts):
            ids[n, longest - len(prompt) :] = torch.tensor(prompt)
            real[n, longest - len(prompt) :] = 1
        device, was_training = next(self._model.parameters()).device, self._model.training
        self._model.eval()
        sampled = sampling.temperature > 0
        out = self._model.generate(
            input_ids=ids.to(device),
            attention_mask=real.to(device),
            max_new_tokens=most,
            do_sample=sampled,
            **({"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0} if sampled else {}),
            eos_token_id=self._end,
            pad_token_id=self._pad,
            return_dict_in_generate=True,
            output_scores=True,
        )
        self._model.train(was_training)
        said = out.sequences[:, longest:]  # (B, T)
        logprobs = torch.stack(
            [
                torch.log_softmax(scores.float(), -1).gather(1, said[:, [t]])[:, 0]
                for t, scores in enumerate(out.scores)
            ],
            dim=1,
        )
        return [
            self._answer(row, told, one.max_tokens)
            for row, told, one in zip(said.tolist(), logprobs.tolist(), samplings, strict=True)
        ]

    def _answer(self, ids: list[int], logprobs: list[float], most: int) -> Sampled:
        length = ids.index(self._end) + 1 if self._end in ids else len(ids)
        kept = min(length, most)
        ended = kept == length and self._end in ids
        return Sampled(tuple(ids[:kept]), tuple(logprobs[:kept]), "stop" if ended else "length")
