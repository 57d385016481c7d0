"""The keeper of agents' servers as it is, in a thread, with fake engines in place of vLLM processes."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clinic.local.agent_servers import FOLDER, AgentServers
from clinic.local.home import Home
from clinic.local.model_server import answers
from tests.doubles.engine import FakeEngine

TICK_SECONDS = 0.02


class EngineServer:
    """A server of the keeper: a fake engine whose weights are the folder's name, unless a test says otherwise."""

    def __init__(self, fleet: Fleet, version: str, weights: Path) -> None:
        loaded = fleet.loaded.get(version, weights.name)
        self.fleet, self.state, self.gave_up = fleet, "off", ""
        self.engine = FakeEngine(model=version, weights=loaded, **fleet.options)
        self.folder: Path | None = weights
        self._port = fleet.ports.get(version, 0)

    @property
    def url(self) -> str:
        return self.engine.url

    @property
    def served_name(self) -> str:
        return self.engine.model

    def start(self) -> None:
        if self.served_name in self.fleet.broken:
            self.state, self.gave_up = "failed", "It ended 3 times."
            return
        self.state = "loading"
        self.fleet.run(self.engine.start(self._port))
        self.fleet.ports[self.served_name] = self.engine.port
        self.fleet.starts.append(self.served_name)

    def tick(self) -> None:
        if self.state == "loading" and answers(self.url, self.served_name):
            self.state = "ready"

    def ask_to_stop(self) -> None:
        pass

    def stop(self) -> None:
        self.state = "off"
        self.fleet.cut += [said.id for said in self.engine.running]
        self.fleet.run(self.engine.stop())


class NoDefault:
    """The default model, which these tests serve as a version like any other."""

    folder = None
    state, gave_up, url, served_name = "ready", "", "http://127.0.0.1:9/v1", ""

    def start(self) -> None: ...
    def tick(self) -> None: ...
    def ask_to_stop(self) -> None: ...
    def stop(self) -> None: ...


class Fleet:
    """`with Fleet(home) as fleet`: whatever is wanted or serves comes up, as the keeper decides."""

    def __init__(self, home: Path, **options: Any) -> None:
        self.home, self.options = Home(home).made(), options
        self.folder = self.home.run / FOLDER
        self.loaded: dict[str, str] = {}
        """What a version's server really has in memory, where that is something else."""
        self.broken: set[str] = set()
        self.ports: dict[str, int] = {}
        self.starts: list[str] = []
        self.cut: list[str] = []
        """Requests that were being answered when their server was stopped."""
        self._stopping = threading.Event()

    def __enter__(self) -> Fleet:
        self.loop = asyncio.new_event_loop()
        self._engines = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._engines.start()
        self.keeper = AgentServers(self.home, None, NoDefault(), folder=self.folder, make=self._make)  # type: ignore[arg-type]
        self._ticking = threading.Thread(target=self._tick, daemon=True)
        self._ticking.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._ticking.join(10)
        self.keeper.stop()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._engines.join(10)
        self.loop.close()

    def run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    def engine(self, version: str) -> FakeEngine:
        server = self.keeper.running[version]
        assert isinstance(server, EngineServer)
        return server.engine

    def _make(self, home: Home, keeper: Any, version: str, weights: Path) -> EngineServer:
        return EngineServer(self, version, weights)

    def _tick(self) -> None:
        while not self._stopping.is_set():
            self.keeper.tick()
            time.sleep(TICK_SECONDS)


def until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
