"""Real web processes, a real PostgreSQL and Valkey of their own, and a fake engine: things to kill."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from clinic.local.checks import temporary_home
from clinic.local.home import ROOT
from clinic.local.ports import free_port
from clinic.local.postgres import Postgres
from clinic.local.stack import Stack
from tests.doubles.engine import FakeEngine
from tests.drills.reader import Reader

LEASE_SECONDS = 1.0
Trouble = (aiohttp.ClientError, OSError, asyncio.TimeoutError, TypeError)


@dataclass
class Web:
    """One web process on its own port, which is kept over restarts."""

    port: int
    env: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "uvicorn", "clinic.asgi:application", "--port", str(self.port)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--no-access-log", "--timeout-graceful-shutdown", "1"],
                env=self.env,
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        if self.process:
            self.process.send_signal(number)
            self.process.wait()
            self.process = None

    async def until_up(self) -> None:
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    return
                await asyncio.sleep(0.05)


@dataclass
class Scene:
    stack: Stack
    engine: FakeEngine
    webs: list[Web]
    cookie: str
    consultations: list[str]
    random: random.Random
    http: aiohttp.ClientSession
    disconnects: int = 0
    kills: int = 0
    restarts: int = 0

    def socket(self, consultation: str) -> Any:
        web = self.random.choice(self.webs)
        address = f"http://127.0.0.1:{web.port}"
        headers = {"Cookie": f"sessionid={self.cookie}", "Origin": address}
        return self.http.ws_connect(f"{address}/ws/consultations/{consultation}/", headers=headers)

    async def ask(self, consultation: str) -> None:
        """Have the agent's turn opened, however often the web dies over it."""
        while True:
            with contextlib.suppress(*Trouble):
                async with asyncio.timeout(8), self.socket(consultation) as socket:
                    await socket.send_str('{"since": 0}')
                    await socket.send_str('{"do": "retry"}')
                    # Either it is opened now, or an earlier try had opened it before its process died.
                    await socket.receive_str()
                    return
            await asyncio.sleep(0.1)

    async def follow(self, consultation: str, reader: Reader, *, lifetime: float) -> None:
        """Read to the end through sockets that are cut after about `lifetime` seconds."""
        while not reader.ended:
            with contextlib.suppress(*Trouble):
                async with asyncio.timeout(self.random.uniform(0.2, 2) * lifetime):
                    await self._read(consultation, reader)
            self.disconnects += 1
            await asyncio.sleep(self.random.uniform(0, 0.1))

    async def _read(self, consultation: str, reader: Reader) -> None:
        async with self.socket(consultation) as socket:
            await socket.send_str(orjson.dumps({"since": reader.since}).decode())
            while not reader.ended:
                reader.read(orjson.loads(await socket.receive_str()))

    async def until_speaking(self) -> None:
        """Wait for a turn that is in the middle of being said."""
        while not any(said.arrived for said in self.engine.running):
            await asyncio.sleep(0.02)

    async def kill_web(self, web: Web | None = None) -> None:
        """Any of them, or the one that is meant."""
        web = web or self.random.choice(self.webs)
        web.kill()
        self.kills += 1
        web.start()

    async def restart_postgres(self, how: signal.Signals) -> None:
        """An orderly fast shutdown (SIGINT) or the death of every backend (SIGQUIT)."""
        service = next(service for service in self.stack.services if service.name == "PostgreSQL")
        assert service.child
        child = service.child
        await asyncio.to_thread(_stop, child, how)
        await asyncio.sleep(0.3)
        service.start()
        self.restarts += 1

    async def until_postgres(self) -> None:
        store = Postgres(self.stack.home, self.stack.keeper)
        while not store.is_ready():
            await asyncio.sleep(0.05)


def _stop(child: Any, how: signal.Signals) -> None:
    os.kill(child.pid, how)
    child.wait()
    child.kill_rest()


@contextlib.asynccontextmanager
async def scene(folder: Path, *, webs: int, consultations: int, seed: int, rate: float) -> AsyncIterator[Scene]:
    async with contextlib.AsyncExitStack() as cleanup:
        stack = Stack(cleanup.enter_context(temporary_home()))
        cleanup.callback(stack.stop)
        # Stores of the drill's own: the test run's database must not be restarted under other tests.
        for name in ("DATABASE_URL", "VALKEY_URL"):
            stack.env.pop(name, None)
        await asyncio.to_thread(stack.start_stores)
        engine = await cleanup.enter_async_context(FakeEngine(rate=rate, seed=seed))
        settings = {"AGENT_LEASE_SECONDS": str(LEASE_SECONDS), "LOG_LEVEL": "INFO"}
        env = {**stack.env, **settings, "POLICY_URL": engine.url, "POLICY_MODEL": engine.model}
        made = await _prepared(engine, consultations, env)
        http = await cleanup.enter_async_context(aiohttp.ClientSession())
        processes = [Web(free_port(), env, folder / f"web-{number}.log") for number in range(webs)]
        for web in processes:
            web.start()
            cleanup.callback(web.kill)
        for web in processes:
            await web.until_up()
        yield Scene(stack, engine, processes, made["cookie"], made["consultations"], random.Random(seed), http)


async def _prepared(engine: FakeEngine, count: int, env: dict[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.drills.prepare", engine.url, engine.model, str(count)]
    done = await asyncio.to_thread(subprocess.run, command, env=env, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return dict(json.loads(done.stdout))
