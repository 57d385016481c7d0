"""Chat messages as token ids with a loss mask: only what the assistant said, with its end-of-turn token, is learned.

A dialogue is rendered by the model's own chat template and tokenised whole, as a server does with a prompt; which
tokens are the assistant's is read from character offsets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Messages = Sequence[dict[str, str]]


class BadDialogue(ValueError):
    """Messages that cannot be trained on as they are; `str()` says why."""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """`ids` (T,) and `kept` (T,): whether the token, as something to predict, carries loss."""

    ids: np.ndarray[Any, np.dtype[np.int64]]
    kept: np.ndarray[Any, np.dtype[np.bool_]]

    def __len__(self) -> int:
        return len(self.ids)


def rendered(tokenizer: Any, messages: Messages, *, answer: bool = False) -> str:
    """The template's text; with `answer` it ends where the assistant's next words begin."""
    return str(tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=answer))


def ids_of(tokenizer: Any, text: str) -> list[int]:
    """Token ids of rendered text; the template has put the special tokens in."""
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def encode(tokenizer: Any, messages: Messages, *, learn_from: int = 0) -> Dialogue:
    """The dialogue; assistant messages before number `learn_from` are context only.

    Raises BadDialogue where nothing is to be learned, or the template is no prefix code (a later message would
    change how an earlier one is written).
    """
    text = rendered(tokenizer, messages)
    spans = [
        _span(tokenizer, messages, text, n)
        for n, message in enumerate(messages)
        if message["role"] == "assistant" and n >= learn_from
    ]
    if not spans:
        raise BadDialogue("There is no assistant message to learn from.")
    found = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
    offsets = np.array(found["offset_mapping"])  # (T, 2)
    kept = np.zeros(len(offsets), dtype=bool)
    for start, end in spans:
        kept |= (offsets[:, 0] >= start) & (offsets[:, 1] <= end) & (offsets[:, 1] > offsets[:, 0])
    return Dialogue(np.array(found["input_ids"], dtype=np.int64), kept)


def _span(tokenizer: Any, messages: Messages, text: str, n: int) -> tuple[int, int]:
    """Where in the text the assistant's message `n` stands, its end-of-turn token included."""
    before, after = rendered(tokenizer, messages[:n], answer=True), rendered(tokenizer, messages[: n + 1])
    said = messages[n]["content"] + tokenizer.eos_token
    if not (text.startswith(after) and after.startswith(before + said)):
        raise BadDialogue(
            "The chat template does not write each message on its own, followed by the end-of-turn token."
        )
    return len(before), len(before) + len(said)
