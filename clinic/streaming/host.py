"""This process's part in streaming: its producers, its sockets, and the look-out for turns that nobody produces.

One host per event loop. A web process starts it with the first connection or lifespan event, a worker for as long
as there are expired leases. The look-out runs in every web process, so nothing else must be scheduled for recovery.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from types import TracebackType
from uuid import UUID

from django.conf import settings
from django.db import Error

from agents.client import PolicyClient
from clinic.models import Endpoint, Turn
from clinic.services import agent_turns, dispatch
from clinic.services.agent_turns import Lease
from clinic.services.prompts import api_key
from clinic.streaming import lookout
from clinic.streaming.committer import Committer
from clinic.streaming.database import Threads
from clinic.streaming.hub import Hub
from clinic.streaming.producer import Producer
from clinic.streaming.stream import Stream
from clinic.streaming.wake import Wake

log = logging.getLogger(__name__)


class Host:
    """Use as an async context manager, or `start` and `close`. `produce`, `stop` … may come from any thread."""

    def __init__(self, *, serves_sockets: bool = True) -> None:
        self.owner: UUID = uuid.uuid4()
        self.hub = Hub()
        self.threads = Threads()
        self.wake = Wake(self.hub, self.owner, listens=serves_sockets)
        self.committer = Committer(
            self.owner,
            lease_seconds=settings.AGENT_LEASE_SECONDS,
            on_change=self._changed,
            on_stored=self.wake.stored,
        )
        self._loop = asyncio.get_running_loop()
        self._serves_sockets = serves_sockets
        self._producers: dict[int, Producer] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._clients: dict[tuple[int, str, str], PolicyClient] = {}
        self._background: list[asyncio.Task[None]] = []
        self._look = asyncio.Event()

    async def __aenter__(self) -> Host:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def start(self) -> None:
        work = [self.committer.run()]
        if self._serves_sockets:
            work += [self.wake.listen(), lookout.run(self, self._look)]
        self._background = [asyncio.create_task(each) for each in work]
        dispatch.register(self)

    async def close(self) -> None:
        """Stop in order: leases are given back, so that a successor goes on at once."""
        dispatch.unregister(self)
        tasks = [*self._tasks.values(), *self._background]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            await self.threads.run(agent_turns.release, owner=self.owner)
        except Error as error:
            log.warning("leases could not be given back, they will expire: %s", error)
        for client in self._clients.values():
            await client.close()
        await self.committer.close()
        await self.wake.close()
        self.threads.close()

    def client(self, endpoint: Endpoint) -> PolicyClient:
        """One client, so one circuit breaker and one set of connections, for each address."""
        key = (endpoint.pk, endpoint.url, endpoint.model_name)
        if key not in self._clients:
            self._clients[key] = PolicyClient(
                endpoint.url,
                endpoint.model_name,
                api_key=api_key(endpoint),
                first_token_seconds=settings.POLICY_FIRST_TOKEN_SECONDS,
                idle_seconds=settings.POLICY_IDLE_SECONDS,
            )
        return self._clients[key]

    # --- from any thread ---------------------------------------------------------------------------------------
    def produce(self, turn: Turn) -> None:
        """A turn that was just committed, leased to this host."""
        lease = Lease(
            turn_id=turn.pk,
            consultation=turn.consultation_id,
            number=turn.number,
            attempt=turn.attempt,
            owner=self.owner,
            next_seq=turn.consultation.last_seq + 1,
        )
        self._soon(lambda: self.begin(lease))

    def stop(self, turn_id: int) -> None:
        self._soon(lambda: self._interrupt(turn_id))

    def announce(self, consultation: UUID, seq: int) -> None:
        self._soon(lambda: self.wake.announce(consultation, seq))

    def look(self) -> None:
        """Look for expired leases now, not at the next tick."""
        self._soon(self._look.set)

    def _soon(self, call: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(call)

    # --- in the event loop -------------------------------------------------------------------------------------
    def begin(self, lease: Lease) -> asyncio.Task[None]:
        producer = Producer(self, lease)
        task = producer.start()
        self._producers[lease.turn_id], self._tasks[lease.turn_id] = producer, task
        task.add_done_callback(lambda done: self._ended(lease.turn_id, done))
        return task

    def produces(self, turn_id: int) -> bool:
        return turn_id in self._tasks

    async def recover(self) -> int:
        """Take every expired turn that is not already produced here; how many were taken."""
        taken = 0
        for turn_id in await self.threads.run(agent_turns.expired):
            if not self.produces(turn_id):
                lease = await self.threads.run(agent_turns.take, turn_id=turn_id, owner=self.owner)
                if lease:
                    log.info("turn %s goes on as attempt %s", turn_id, lease.attempt)
                    self.wake.announce(lease.consultation, lease.next_seq - 1)
                    self.begin(lease)
                    taken += 1
        return taken

    async def drain(self) -> None:
        """Until every turn begun here is over."""
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))
            await asyncio.sleep(0)

    def _changed(self, stream: Stream) -> None:
        self._interrupt(stream.lease.turn_id)

    def _interrupt(self, turn_id: int) -> None:
        producer = self._producers.get(turn_id)
        if producer:
            producer.interrupt()

    def _ended(self, turn_id: int, task: asyncio.Task[None]) -> None:
        del self._producers[turn_id], self._tasks[turn_id]
        if not task.cancelled() and task.exception():
            # Its lease expires, and the look-out of some process tries again.
            log.error("the producer of turn %s failed", turn_id, exc_info=task.exception())


_current: dict[asyncio.AbstractEventLoop, Host] = {}


def current() -> Host:
    """The host of the running event loop, started on first use."""
    loop = asyncio.get_running_loop()
    if loop not in _current:
        host = _current[loop] = Host()
        host.start()
    return _current[loop]


async def close_current() -> None:
    host = _current.pop(asyncio.get_running_loop(), None)
    if host:
        await host.close()
