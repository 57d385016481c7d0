"""How much two presentations say the same: shared pieces of three words."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping
from typing import Any
from zlib import crc32

NEAR = 0.9
"""From this overlap two presentations are near-duplicates: one word in fifty differs, not two."""
WORDS = 3
_WORD = re.compile(r"[^\W_]+(?:\.\d+)?")

Pieces = frozenset[int]


def pieces(complaint: str, history: Mapping[str, Any]) -> Pieces:
    """Hashes of every three words in a row of what the agent is told first."""
    words = _WORD.findall(" ".join([complaint, *(str(history[name]) for name in sorted(history))]).casefold())
    starts = range(max(len(words) - WORDS + 1, 1))
    return frozenset(crc32(" ".join(words[n : n + WORDS]).encode()) for n in starts)


def overlap(one: Pieces, other: Pieces) -> float:
    """Dice coefficient, 0..1: shared pieces over the mean number of pieces."""
    return 2 * len(one & other) / (len(one) + len(other))


class Index:
    """Presentations by their pieces; the nearest is found without comparing with all of them."""

    def __init__(self, named: Iterable[tuple[str, Pieces]] = ()) -> None:
        self._pieces: dict[str, Pieces] = {}
        self._holders: dict[int, list[str]] = defaultdict(list)
        for name, found in named:
            self.add(name, found)

    def add(self, name: str, found: Pieces) -> None:
        """A name that is there already keeps what it stood for."""
        if name not in self._pieces:
            self._pieces[name] = found
            for piece in found:
                self._holders[piece].append(name)

    def near(self, found: Pieces) -> str | None:
        """The name of what is at least NEAR, the closest first and then by name; None where nothing is."""
        shared: Counter[Hashable] = Counter(name for piece in found for name in self._holders.get(piece, ()))
        close = [(-overlap(found, self._pieces[str(name)]), str(name)) for name in shared]
        best = min(close, default=(0.0, ""))
        return best[1] if -best[0] >= NEAR else None
