"""Wake-ups between processes: "read up to N", "this session is over". One subscription a process, never a token.

Messages may be lost: the look-out asks the database every few seconds what a wake-up would have told.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from uuid import UUID

from channels.layers import get_channel_layer
from redis.exceptions import RedisError

from clinic.services.sessions import group_of
from clinic.streaming.hub import Hub

log = logging.getLogger(__name__)
GROUP = "streaming"
PAUSE = 1.0
Trouble = (RedisError, OSError)


class Wake:
    def __init__(self, hub: Hub, owner: UUID, *, listens: bool) -> None:
        self._hub, self._owner, self._listens = hub, str(owner), listens
        self._layer = get_channel_layer()
        self.is_listening = False
        self._channel = ""
        self._watched: set[int] = set()
        self._sending: set[asyncio.Task[None]] = set()

    async def stored(self, seqs: dict[UUID, int]) -> None:
        """Batches are in the database; the sockets of this process had their text already."""
        if seqs:
            self._send({"seqs": {str(consultation): seq for consultation, seq in seqs.items()}})

    def announce(self, consultation: UUID, seq: int) -> None:
        self._hub.notice(consultation, seq)
        self._send({"seqs": {str(consultation): seq}})

    async def watch(self, user_id: int) -> None:
        """Hear when this person's sessions end; they have a socket here."""
        self._watched.add(user_id)
        if self._channel:
            try:
                await self._layer.group_add(group_of(user_id), self._channel)
            except Trouble as error:
                log.warning("the end of a session will be noticed late: %s", error)

    def _send(self, message: dict[str, Any]) -> None:
        """Not awaited: a slow or absent Valkey holds up nothing."""
        task = asyncio.create_task(self._publish({"type": "wake", "from": self._owner, **message}))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _publish(self, message: dict[str, Any]) -> None:
        try:
            await self._layer.group_send(GROUP, message)
        except Trouble as error:
            log.warning("no wake-up was sent, other processes will look for themselves: %s", error)

    async def listen(self) -> None:
        """Until cancelled."""
        while True:
            try:
                channel = self._channel = await self._layer.new_channel()
                for group in (GROUP, *map(group_of, self._watched)):
                    await self._layer.group_add(group, channel)
                self.is_listening = True
                while True:
                    self._receive(await self._layer.receive(channel))
            except Trouble as error:
                self.is_listening = False
                log.warning("no wake-ups arrive: %s", error)
                await asyncio.sleep(PAUSE)

    def _receive(self, message: dict[str, Any]) -> None:
        if message["type"] == "session.ended":
            self._hub.sign_out(message["user"], message["session"])
        elif message["from"] != self._owner:
            for consultation, seq in message["seqs"].items():
                self._hub.notice(UUID(consultation), seq)

    async def close(self) -> None:
        for task in self._sending:
            task.cancel()
        try:
            await self._layer.flush()
        except Trouble as error:
            log.info("the channel layer was closed without an answer: %s", error)
