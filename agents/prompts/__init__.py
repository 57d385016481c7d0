"""Prompts and schemas as files, read by name, filled in one pass, known by their digest."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent
_SLOT = re.compile(r"\{\{(\w+)\}\}")


@cache
def load(name: str) -> str:
    """The text of a prompt file, without its final line break; FileNotFoundError if there is none."""
    return (ROOT / name).read_text(encoding="utf-8").rstrip("\n")


def fill(name: str, **values: str) -> str:
    """The prompt with every {{slot}} replaced in one pass; what is filled in is never read as a slot.

    KeyError for a slot without a value.
    """
    return _SLOT.sub(lambda slot: values[slot[1]], load(name))


@cache
def digest(*names: str) -> str:
    """sha256 (hex) over names and contents, in the order given."""
    sha = hashlib.sha256()
    for name in names:
        content = load(name).encode()
        sha.update(f"{name}:{len(content)}\n".encode() + content)
    return sha.hexdigest()


def plain(text: str) -> str:
    """Text that may stand in a chat message: no chat-template markers, no control characters.

    A server reads `<|im_end|>` inside a message as the end of that message, so that a record or a result could
    speak as the agent.
    """
    return _CONTROL.sub(" ", text.replace("<|", "< |").replace("|>", "| >"))


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def shorten(text: str, limit: int) -> str:
    """At most about `limit` characters, cut after a sentence or a word, and said to be cut."""
    if len(text) <= limit:
        return text
    cut = max(text.rfind(mark, 0, limit) for mark in (". ", "\n", "; "))
    if cut < limit // 2:
        cut = max(text.rfind(" ", 0, limit), limit // 2)
    return text[: cut + 1].rstrip() + " [shortened]"
