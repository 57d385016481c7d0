"""Hands new events to the sockets of this process; a socket that cannot keep up is detached, never waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import UUID

from clinic.services.sessions import mark_of

Frame = tuple[int, bytes, bool]
"""Number, text for the socket, and whether it is the whole event or a piece of one that is still being written."""
SIGNED_OUT, NOT_VISIBLE = 4401, 4404
LIMIT = 512
"""Pieces that may wait for one socket: about ten seconds of one stream."""


class Feed:
    """What one socket has not sent yet. One task waits on it; all calls come from the event loop's thread."""

    __slots__ = ("_frames", "_waiter", "behind", "close_code", "session", "stored", "user_id", "void_after")

    def __init__(self, *, user_id: int, session: str) -> None:
        self.user_id, self.session = user_id, session
        self.behind = False
        """Pieces were dropped: the socket must read the database and attach again."""
        self.stored = 0
        """Events up to here are known to be in the database."""
        self.void_after: int | None = None
        """Pieces of later events were sent and never stored: their numbers will be used again."""
        self.close_code: int | None = None
        self._frames: list[Frame] = []
        self._waiter: asyncio.Future[None] | None = None

    def put(self, frame: Frame) -> None:
        if len(self._frames) >= LIMIT:
            self.detach()
        if not self.behind:
            self._frames.append(frame)
        self._wake()

    def detach(self) -> None:
        self.behind = True
        self._frames.clear()
        self._wake()

    def notice(self, seq: int) -> None:
        self.stored = max(self.stored, seq)
        self._wake()

    def close(self, code: int) -> None:
        self.close_code = code
        self._wake()

    def take(self) -> list[Frame]:
        frames, self._frames = self._frames, []
        return frames

    async def wait(self) -> None:
        """Until something was put, noticed, detached or closed since the last `take`."""
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Channel:
    """The feeds of one consultation, and what its running stream has not stored yet."""

    __slots__ = ("feeds", "unstored")

    def __init__(self) -> None:
        self.feeds: list[Feed] = []
        self.unstored: Callable[[], list[Frame]] | None = None


class Hub:
    """All sockets of one process, by consultation."""

    def __init__(self) -> None:
        self._channels: dict[UUID, Channel] = {}
        self._open: dict[Feed, UUID] = {}

    def channel(self, consultation: UUID) -> Channel:
        return self._channels.setdefault(consultation, Channel())

    def open(self, consultation: UUID, feed: Feed) -> None:
        """A socket exists, though it may not follow yet: the end of its session concerns it."""
        self._open[feed] = consultation

    def close(self, feed: Feed) -> None:
        self._open.pop(feed, None)

    def attach(self, consultation: UUID, feed: Feed) -> None:
        """From now on nothing is missed: the running stream's unstored text first, then whatever comes."""
        channel = self.channel(consultation)
        feed.behind = False
        if channel.unstored:
            for frame in channel.unstored():
                feed.put(frame)
        channel.feeds.append(feed)

    def leave(self, consultation: UUID, feed: Feed) -> None:
        channel = self._channels.get(consultation)
        if channel is None:
            return
        if feed in channel.feeds:
            channel.feeds.remove(feed)
        if not channel.feeds and channel.unstored is None:
            del self._channels[consultation]

    def begin(self, consultation: UUID, unstored: Callable[[], list[Frame]]) -> list[Feed]:
        """A stream starts here; the list it gets always holds the feeds that are attached."""
        channel = self.channel(consultation)
        channel.unstored = unstored
        return channel.feeds

    def end(self, consultation: UUID) -> None:
        """The stream is over, or its lease is lost: what was shown and not stored is void."""
        channel = self.channel(consultation)
        channel.unstored = None
        if not channel.feeds:
            self._channels.pop(consultation, None)

    def publish(self, consultation: UUID, frames: list[Frame]) -> None:
        """Events that are in the database already."""
        channel = self._channels.get(consultation)
        for feed in channel.feeds if channel else ():
            for frame in frames:
                feed.put(frame)

    def resync(self, consultation: UUID, stored: int) -> None:
        """A stream lost its lease: what it showed after event `stored` is void."""
        channel = self._channels.get(consultation)
        for feed in channel.feeds if channel else ():
            feed.void_after = stored
            feed.detach()

    def notice(self, consultation: UUID, seq: int) -> None:
        channel = self._channels.get(consultation)
        for feed in channel.feeds if channel else ():
            feed.notice(seq)

    def is_streaming(self, consultation: UUID) -> bool:
        channel = self._channels.get(consultation)
        return channel is not None and channel.unstored is not None

    def feeds(self) -> list[tuple[UUID, Feed]]:
        """Every open socket's."""
        return [(consultation, feed) for feed, consultation in self._open.items()]

    def sign_out(self, user_id: int, mark: str) -> None:
        """Close the sockets of one session, or without its mark all of the person's."""
        for _, feed in self.feeds():
            if feed.user_id == user_id and mark in ("", mark_of(feed.session)):
                feed.close(SIGNED_OUT)
