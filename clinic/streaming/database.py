"""Two ways to the database that never hold the event loop: Django in threads, and one connection for batches."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

import psycopg
from django.db import InterfaceError, OperationalError, connection

P = ParamSpec("P")
R = TypeVar("R")
log = logging.getLogger(__name__)
PATIENCE = 60.0
"""Seconds for which work already done waits for a database that restarts."""
PAUSE = 0.25
THREADS = 4


class Threads:
    """Django's ORM for tasks of the event loop; connections stay open from call to call."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="streaming")
        self._wrappers: set[Any] = set()

    async def run(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        work = partial(self._call, call, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def run_patiently(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Again and again while the database is away. `call` must bear being repeated."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return await self.run(call, *args, **kwargs)
            except (OperationalError, InterfaceError):
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(PAUSE)

    def _call(self, call: Callable[..., R], *args: Any, **kwargs: Any) -> R:
        self._wrappers.add(connection._connections["default"])  # type: ignore[attr-defined]
        try:
            return call(*args, **kwargs)
        except (OperationalError, InterfaceError):
            connection.close()
            raise

    def close(self) -> None:
        self._pool.shutdown(wait=True)
        for wrapper in self._wrappers:
            if wrapper.connection is not None:
                wrapper.connection.close()


class Line:
    """One asynchronous connection, made again when it breaks."""

    def __init__(self) -> None:
        self._connection: psycopg.AsyncConnection[Any] | None = None

    async def query(self, sql: str, parameters: list[Any]) -> list[Any]:
        """One statement, one commit."""
        if self._connection is None or self._connection.closed:
            self._connection = await psycopg.AsyncConnection.connect(**parameters_of_django(), autocommit=True)
        try:
            cursor = await self._connection.execute(sql, parameters)
            return await cursor.fetchall()
        except psycopg.OperationalError:
            await self.close()
            raise

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None


def parameters_of_django() -> dict[str, Any]:
    """How Django connects, without what is Django's own."""
    parameters = connection.get_connection_params()
    return {name: value for name, value in parameters.items() if name not in ("cursor_factory", "context")}
