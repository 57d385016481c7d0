"""One leased attempt in memory: numbers the pieces of text, and holds them until they are in the database."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from orjson import dumps

from clinic.models import EventType
from clinic.services.agent_turns import Lease
from clinic.streaming.hub import Frame, Hub

TOKEN = EventType.TOKEN.value
EARLY = 32
"""Pieces after which a stream asks to be committed before the next tenth of a second."""


@dataclass(slots=True)
class Batch:
    """Text of one field that will be one event; open while text is still added to it."""

    seq: int
    name: str
    at: int
    texts: list[str] = field(default_factory=list)


class Stream:
    """`say` gives text to the sockets at once, under the number of the batch in which it will be committed."""

    def __init__(self, lease: Lease, hub: Hub) -> None:
        self.lease = lease
        self.next_seq = lease.next_seq
        self.stored_seq = lease.next_seq - 1
        self.stop_asked = False
        self.lost = False
        self.pieces = 0
        self._feeds = hub.begin(lease.consultation, self.unstored)
        self._head = b'{"type":"token","turn":%d,"attempt":%d,"seq":' % (lease.number, lease.attempt)
        self._batches: list[Batch] = []
        self._open: Batch | None = None
        self._offsets: dict[str, int] = {}
        self._said: list[str] = []
        self._raw: list[str] = []
        self._raw_at = 0

    @property
    def text(self) -> str:
        """Everything the model said in this attempt."""
        return "".join(self._said)

    @property
    def is_dirty(self) -> bool:
        return bool(self._raw)

    def hear(self, raw: str) -> None:
        """Text as the model wrote it, kept apart from what is shown of it."""
        self._said.append(raw)
        self._raw.append(raw)
        self.pieces += 1

    def say(self, name: str, text: str) -> None:
        """The next readable piece of a field."""
        at = self._offsets.get(name, 0)
        self._offsets[name] = at + len(text)
        batch = self._open
        if batch is None or batch.name != name:
            batch = self._open = Batch(self.next_seq, name, at)
            self.next_seq += 1
            self._batches.append(batch)
        batch.texts.append(text)
        if self._feeds:
            frame = (batch.seq, self._frame(batch.seq, name, at, text), False)
            for feed in self._feeds:
                feed.put(frame)

    def _frame(self, seq: int, name: str, at: int, text: str) -> bytes:
        # Field names are the codec's own words and need no escaping.
        return b'%b%d,"data":{"field":"%b","at":%d,"text":%b}}' % (self._head, seq, name.encode(), at, dumps(text))

    def unstored(self) -> list[Frame]:
        """What a socket that joins now would find neither in the database nor among later pieces."""
        return [
            (batch.seq, self._frame(batch.seq, batch.name, batch.at, "".join(batch.texts)), False)
            for batch in self._batches
        ]

    def begin_commit(self) -> tuple[dict[str, Any], int, int]:
        """Everything not stored yet as one record, and how much of the memory that is, for `end_commit`."""
        self._open = None
        self.pieces = 0
        lease = self.lease
        record = {
            "turn_id": lease.turn_id,
            "owner": str(lease.owner),
            "attempt": lease.attempt,
            "consultation_id": str(lease.consultation),
            "number": lease.number,
            "raw_at": self._raw_at,
            "raw": "".join(self._raw),
            "events": [_row(batch) for batch in self._batches],
        }
        return record, len(self._batches), len(self._raw)

    def end_commit(self, batches: int, raw: int) -> None:
        """That much is in the database. Repeating a commit whose outcome was unknown does no harm."""
        if batches:
            self.stored_seq = self._batches[batches - 1].seq
        del self._batches[:batches]
        self._raw_at += sum(map(len, self._raw[:raw]))
        del self._raw[:raw]


def _row(batch: Batch) -> dict[str, Any]:
    data = {"field": batch.name, "text": "".join(batch.texts), "at": batch.at}
    return {"seq": batch.seq, "type": TOKEN, "data": data}
