"""Writes what all streams of this process gathered, as one statement about ten times a second.

One commit for many streams, because commits are what costs (750 a second on one disk); each stream stands alone in
it: who lost the lease writes nothing. No connection or transaction is held while the model speaks.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from uuid import UUID

import orjson
import psycopg

from clinic.streaming.database import PATIENCE, PAUSE, Line
from clinic.streaming.stream import Stream

log = logging.getLogger(__name__)
PERIOD = 0.1
RENEWALS = 4
"""Renewals in the time of one lease; each also reads whether somebody asked to stop."""

# The row lock makes a take-over wait for this statement, and this statement see a take-over that came first.
# ON CONFLICT and left() make it repeatable when the connection broke before the commit was confirmed.
COMMIT = """
WITH batch AS (
    SELECT * FROM jsonb_to_recordset(%s::jsonb) AS b(turn_id bigint, owner uuid, attempt int, consultation_id uuid,
                                                     number int, raw_at int, raw text, events jsonb)
), held AS (
    SELECT t.id, t.stop_requested_at FROM clinic_turn t
    JOIN batch b ON t.id = b.turn_id AND t.lease_owner = b.owner AND t.attempt = b.attempt
    WHERE t.status = 'streaming' ORDER BY t.id FOR NO KEY UPDATE OF t
), kept AS (
    INSERT INTO clinic_event (consultation_id, turn, attempt, seq, type, data, at)
    SELECT b.consultation_id, b.number, b.attempt, e.seq, e.type, e.data, clock_timestamp()
    FROM batch b JOIN held ON held.id = b.turn_id
    CROSS JOIN LATERAL jsonb_to_recordset(b.events) AS e(seq bigint, type text, data jsonb)
    ON CONFLICT DO NOTHING
), said AS (
    UPDATE clinic_modeloutput o SET text = left(o.text, b.raw_at) || b.raw, at = clock_timestamp()
    FROM batch b JOIN held ON held.id = b.turn_id WHERE o.turn_id = b.turn_id AND o.attempt = b.attempt
)
SELECT id, stop_requested_at IS NOT NULL FROM held
"""
RENEW = """
UPDATE clinic_turn t SET lease_expires_at = clock_timestamp() + make_interval(secs => %s)
FROM (SELECT id FROM clinic_turn WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE) AS mine
WHERE t.id = mine.id AND t.lease_owner = %s AND t.status = 'streaming'
RETURNING t.id, t.stop_requested_at IS NOT NULL
"""


class Committer:
    """Calls `on_change(stream)` when a stream was asked to stop or has lost its lease, `on_stored` after commits."""

    def __init__(
        self,
        owner: UUID,
        *,
        lease_seconds: float,
        on_change: Callable[[Stream], None],
        on_stored: Callable[[dict[UUID, int]], Awaitable[None]],
    ) -> None:
        self._owner, self._lease_seconds = owner, lease_seconds
        self._on_change, self._on_stored = on_change, on_stored
        self._streams: dict[int, Stream] = {}
        self._line = Line()
        self._busy = asyncio.Lock()
        self._wanted = asyncio.Event()
        self._renew_at = 0.0
        self._reached = time.monotonic()

    def add(self, stream: Stream) -> None:
        self._streams[stream.lease.turn_id] = stream
        self._wanted.set()

    def remove(self, stream: Stream) -> None:
        self._streams.pop(stream.lease.turn_id, None)

    def hurry(self) -> None:
        """Do not wait for the next tenth of a second."""
        self._wanted.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            if not self._streams:
                self._wanted.clear()
                await self._wanted.wait()
                self._reached = time.monotonic()
            await self._rest()
            await self._try()

    async def _rest(self) -> None:
        self._wanted.clear()
        try:
            async with asyncio.timeout(PERIOD):
                await self._wanted.wait()
        except TimeoutError:
            return

    async def settle(self, stream: Stream) -> None:
        """Returns when everything said is stored, or the lease is lost."""
        while stream.is_dirty and not stream.lost:
            if not await self._try():
                await asyncio.sleep(PAUSE)

    async def _try(self) -> bool:
        try:
            async with self._busy:
                await self._commit()
                await self._renew()
        except psycopg.OperationalError as error:
            self._away(error)
            return False
        self._reached = time.monotonic()
        return True

    def _away(self, error: psycopg.OperationalError) -> None:
        """What was said stays in memory; after a minute the turns are left to whoever finds the database again."""
        log.warning("the database is away, words wait in memory: %s", str(error).strip().partition("\n")[0])
        self._wanted.clear()
        if time.monotonic() - self._reached > PATIENCE:
            self._lose(list(self._streams.values()))

    async def _commit(self) -> None:
        dirty = {turn: stream for turn, stream in self._streams.items() if stream.is_dirty}
        if not dirty:
            return
        taken = {turn: stream.begin_commit() for turn, stream in dirty.items()}
        record = orjson.dumps([record for record, _, _ in taken.values()]).decode()
        held = dict(await self._line.query(COMMIT, [record]))
        stored = {}
        for turn in held:
            stream, (_, batches, raw) = dirty[turn], taken[turn]
            stream.end_commit(batches, raw)
            stored[stream.lease.consultation] = stream.stored_seq
        self._heed(dirty, held)
        await self._on_stored(stored)

    async def _renew(self) -> None:
        now = time.monotonic()
        if not self._streams or now < self._renew_at:
            return
        streams = dict(self._streams)
        held = dict(await self._line.query(RENEW, [self._lease_seconds, list(streams), self._owner]))
        self._renew_at = now + min(1.0, self._lease_seconds / RENEWALS)
        self._heed(streams, held)

    def _heed(self, streams: dict[int, Stream], held: dict[int, bool]) -> None:
        self._lose([stream for turn, stream in streams.items() if turn not in held])
        for turn, stop_asked in held.items():
            if stop_asked and not streams[turn].stop_asked:
                streams[turn].stop_asked = True
                self._on_change(streams[turn])

    def _lose(self, streams: list[Stream]) -> None:
        for stream in streams:
            if self._streams.get(stream.lease.turn_id) is stream:
                self.remove(stream)
                stream.lost = True
                self._on_change(stream)

    async def close(self) -> None:
        await self._line.close()
