"""What a language world model drew, which seed it had, and where draws are kept so that a repeat repeats its answer."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from agents.world.grammar import Event
from agents.world.plausibility import Code, Complaint, Verdict

MOST_KEPT = 4096
TELLING = (Code.CONFIRMS, Code.LABEL)
"""Complaints that quote what was refused: the agent must not read a diagnosis in them."""
SEED_BITS = 48
"""Seeds stay exact in JSON readers that know only floats."""


@dataclass(frozen=True, slots=True)
class Try:
    """One text the model wrote, with the seed it had, and what the monitor said of it: notes stay, others refuse."""

    seed: int
    text: str
    complaints: tuple[Complaint, ...] = ()

    @property
    def accepted(self) -> bool:
        return Verdict(self.complaints).accepted

    def as_dict(self) -> dict[str, Any]:
        return {"seed": self.seed, "text": self.text, "complaints": [one.as_dict() for one in self.complaints]}


@dataclass(frozen=True, slots=True)
class Draw:
    """The result of one examination as the model wrote it. Not `accepted`: the monitor refused every try; no text.

    `seed` is that of the try that counts; `seconds` is how long all tries took together.
    """

    digest: str
    examination: str
    text: str
    accepted: bool
    tries: tuple[Try, ...]
    model: str
    version: str
    seed: int
    temperature: float
    seconds: float = 0.0

    @property
    def reason(self) -> str:
        """Why the last try was refused, "" if it was not; nothing that would give the diagnosis away."""
        told = (
            Verdict(tuple(one for one in self.tries[-1].complaints if one.code not in TELLING)) if self.tries else None
        )
        return "" if self.accepted or told is None else told.reason


class DrawStore(Protocol):
    """Where draws are found again by their digest."""

    def get(self, digest: str) -> Draw | None: ...

    def put(self, draw: Draw) -> None: ...


class RecentDraws:
    """The draws used last, in memory."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self.most = most
        self._kept: OrderedDict[str, Draw] = OrderedDict()

    def get(self, digest: str) -> Draw | None:
        found = self._kept.get(digest)
        if found:
            self._kept.move_to_end(digest)
        return found

    def put(self, draw: Draw) -> None:
        self._kept[draw.digest] = draw
        self._kept.move_to_end(draw.digest)
        while len(self._kept) > self.most:
            self._kept.popitem(last=False)


def draw_seed(world: int, case: str, examination: str, repeat: int = 0) -> int:
    """The sampling seed of the `repeat`-th draw of an examination: fixed by its arguments, on every machine."""
    named = f"{world}:{case}:{examination}:{repeat}".encode()
    return int.from_bytes(hashlib.blake2b(named, digest_size=8).digest()) >> (64 - SEED_BITS)


def draw_digest(
    *,
    version: str,
    profile: str,
    history: Sequence[Event],
    examination: str,
    seed: int,
    temperature: float,
    max_tokens: int,
) -> str:
    """The sha256 that names a draw: everything that its text depends on."""
    told = [[event.name, event.result] for event in history]
    key = [version, profile, told, examination, seed, temperature, max_tokens]
    return hashlib.sha256(json.dumps(key, ensure_ascii=False).encode()).hexdigest()
