"""A fake world model in a thread of its own: services ask it from an event loop that is not the test's."""

from __future__ import annotations

import asyncio
import threading

from tests.doubles.engine import FakeEngine


class Served:
    """`with Served() as engine`: it answers on `engine.url` meanwhile."""

    def __enter__(self) -> FakeEngine:
        self.engine, self.loop = FakeEngine(model="world-x"), asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        asyncio.run_coroutine_threadsafe(self.engine.start(), self.loop).result(10)
        return self.engine

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self.engine.stop(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()
