"""Sends one socket everything after an event, first from the database, then live, with no gap and no event twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

from clinic.streaming.database import Threads
from clinic.streaming.hub import Feed, Frame, Hub
from clinic.streaming.replay import events_after, first_to_send

Send = Callable[[bytes], Awaitable[None]]


class Follower:
    """`seq` is the last event sent; of the event that is still being written, pieces follow under its number."""

    def __init__(self, consultation: UUID, *, feed: Feed, hub: Hub, threads: Threads, send: Send) -> None:
        self.seq = 0
        self._whole = True
        """Whether event `seq` was sent whole, as the database has it."""
        self._consultation, self._feed, self._hub = consultation, feed, hub
        self._threads, self._send = threads, send

    async def run(self, since: int) -> int:
        """Until the feed is closed; its close code. Again from the database whenever the socket fell behind."""
        self.seq = await self._threads.run(first_to_send, self._consultation, since)
        try:
            while self._feed.close_code is None:
                self._hub.attach(self._consultation, self._feed)
                self._unsay()
                await self._replay()
                await self._live()
                self._hub.leave(self._consultation, self._feed)
        finally:
            self._hub.leave(self._consultation, self._feed)
        return self._feed.close_code

    def _unsay(self) -> None:
        """Numbers that were sent and void are sent again with what was stored under them."""
        if self._feed.void_after is not None and self._feed.void_after < self.seq:
            self.seq, self._whole = self._feed.void_after, True
        self._feed.void_after = None

    async def _live(self) -> None:
        feed = self._feed
        while not feed.behind and feed.close_code is None:
            frames = feed.take()
            for frame in frames:
                await self._pass_on(frame)
            if feed.stored > self.seq and not feed.behind:
                await self._replay()
            elif not frames:
                await feed.wait()

    async def _pass_on(self, frame: Frame) -> None:
        seq, text, whole = frame
        if seq > self.seq + 1:
            await self._replay(until=seq - 1)
        if seq > self.seq or (seq == self.seq and not self._whole):
            await self._send(text)
            self.seq, self._whole = seq, whole

    async def _replay(self, until: int | None = None) -> None:
        """Stored events after the last one that was sent whole."""
        if not self._whole:
            self.seq, self._whole = self.seq - 1, True
        while page := await self._threads.run(events_after, self._consultation, self.seq):
            for seq, text, _ in page:
                if until is not None and seq > until:
                    return
                await self._send(text)
                self.seq = seq
