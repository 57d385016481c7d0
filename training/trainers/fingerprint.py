"""What trained weights answer to the identity probes: kept in the manifest, for a server to be compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from agents.identity import ANSWER_TOKENS, PROBES, Fingerprint, Row


def take(model: Any, tokenizer: Any) -> Fingerprint:
    """The greedy answers of this model, and their log-probs."""
    model.eval()
    return Fingerprint(tuple(_row(model, tokenizer, probe) for probe in PROBES))


def read(model: Any, known: Fingerprint) -> Fingerprint:
    """The log-probs that this model gives to the known answers."""
    model.eval()
    return known.read_as([logprobs(model, row.prompt, row.answer) for row in known.rows])


@torch.no_grad()
def logprobs(model: Any, prompt: Sequence[int], answer: Sequence[int]) -> list[float]:
    """Log-probs (T,) in nats of the answer's ids (T,) after the prompt's (P,)."""
    device = next(model.parameters()).device
    ids = torch.tensor([[*prompt, *answer]], device=device)
    logits = model(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 : -1]  # (T, V)
    told = torch.log_softmax(logits.float(), -1).gather(1, ids[0, len(prompt) :, None])[:, 0]
    return [float(one) for one in told]


def _row(model: Any, tokenizer: Any, probe: str) -> Row:
    prompt = tuple(tokenizer(probe, add_special_tokens=False)["input_ids"])
    device = next(model.parameters()).device
    ids = torch.tensor([prompt], device=device)
    out = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=ANSWER_TOKENS,
        do_sample=False,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id or tokenizer.eos_token_id,
    )
    answer = tuple(out[0, len(prompt) :].tolist())
    return Row(prompt, answer, tuple(logprobs(model, prompt, answer)))
