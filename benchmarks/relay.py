"""What Rounds adds to each streamed token: processor time and delay, against a raw relay and a direct client.

    python -m benchmarks.relay [--streams 64] [--rate 50] [--seconds 7] [--repeats 3]

One fake upstream in its own process sends every stream `rate` tokens a second. In each repeat, one after another:
`direct`, a client at the upstream itself; `raw`, benchmarks/raw_relay.py under uvicorn; `rounds`, the product's ASGI
application under uvicorn with PostgreSQL (durable commits) and Valkey of its own: signed-in sockets, tokens escaped,
numbered, and committed in batches. Processor time is taken while all streams flow. The first token is timed twice:
from the upstream's sending to the client's reading, which is what a relay adds; and from the client's question, which
for Rounds also checks, opens, audits and commits the turn before the model is asked. Table, then one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import uvloop

from benchmarks.clients import Socket, post
from benchmarks.processor import seconds
from clinic.local.checks import temporary_home
from clinic.local.home import ROOT
from clinic.local.stack import Stack

START_SPREAD = 8.0
"""Seconds over which the streams start: a first token's delay should not be that of a stampede."""
SETTLE = 1.0
COOL_DOWN = 3.0
TARGET_RATIO, TARGET_MS = 1.6, 5.0
BODY = orjson.dumps({"model": "bench", "stream": True, "messages": [{"role": "user", "content": "x" * 1500}]})
SENT = re.compile(rb"sent (\d+) ")
Ask = Callable[[int, "Meter"], Awaitable[None]]


@dataclass
class Meter:
    """What the client saw in one run, in seconds: from the question, and from the upstream's own sending."""

    tokens: int = 0
    waits: list[float] = field(default_factory=list)
    transits: list[float] = field(default_factory=list)

    def note(self, asked: float, first: bytes) -> float:
        """Count a token; the first of a stream carries the time at which the upstream sent it."""
        self.tokens += 1
        if asked:
            now = time.monotonic()
            sent = SENT.search(first)
            self.waits.append(now - asked)
            self.transits.append(now - int(sent[1]) / 1e6 if sent else 0.0)
        return 0.0


@dataclass(frozen=True)
class Run:
    """One run of one arm; `cost` is microseconds of processor time per token and process."""

    tokens: int
    cost: dict[str, float]
    first_ms: float
    transit_ms: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--profile", help="arguments of Python for the product's web process, as '-m cProfile -o FILE'")
    options = parser.parse_args()
    with contextlib.ExitStack() as cleanup:
        stack = Stack(cleanup.enter_context(temporary_home()))
        cleanup.callback(stack.stop)
        for name in ("DATABASE_URL", "VALKEY_URL"):
            stack.env.pop(name, None)  # its own, so that their processor time is known
        stack.start_stores()
        bench = Bench(options, stack, cleanup)
        runs = bench.run()
    report(options, runs)


class Bench:
    """Starts the processes and holds the three arms."""

    def __init__(self, options: argparse.Namespace, stack: Stack, cleanup: contextlib.ExitStack) -> None:
        self.options, self.cleanup = options, cleanup
        self.upstream, port = self.start_upstream()
        self.address = f"http://127.0.0.1:{port}/v1"
        self.stores = {service.name: service.child.pid for service in stack.services if service.child}
        settings = {"POLICY_URL": self.address, "POLICY_MODEL": "bench", "UPSTREAM": f"{self.address}/chat/completions"}
        self.env = {**stack.env, **settings, "LOG_LEVEL": "WARNING", "ROUNDS_DEMO": "0"}
        made = prepared(self.address, options.streams * options.repeats, self.env)
        self.cookie, self.consultations = made["cookie"], made["consultations"]
        self.raw, self.raw_port = self.web("benchmarks.raw_relay:application")
        self.rounds, self.rounds_port = self.web("clinic.asgi:application")

    def run(self) -> dict[str, list[Run]]:
        runs: dict[str, list[Run]] = {"direct": [], "raw": [], "rounds": []}
        for repeat in range(self.options.repeats):
            for name, arm in (("direct", self.direct), ("raw", self.through_raw), ("rounds", self.through_rounds)):
                runs[name].append(uvloop.run(arm(repeat)))
                print(f"{name} {repeat + 1}/{self.options.repeats}: {runs[name][-1]}", file=sys.stderr)
        return runs

    def start_upstream(self) -> tuple[int, int]:
        command = [sys.executable, "-m", "benchmarks.upstream", str(self.options.rate)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True)
        self.cleanup.callback(end, process)
        assert process.stdout
        return process.pid, int(process.stdout.readline())

    def web(self, application: str) -> tuple[int, int]:
        port = free_port()
        command = [sys.executable, "-m", "uvicorn", application, "--port", str(port), "--no-access-log"]
        command += ["--log-level", "warning", "--timeout-graceful-shutdown", "2"]
        if self.options.profile and application.startswith("clinic"):
            command = [command[0], *self.options.profile.split(), *command[1:]]
        process = subprocess.Popen(command, env=self.env, cwd=ROOT)
        self.cleanup.callback(end, process)
        wait_for(port)
        return process.pid, port

    async def direct(self, _: int) -> Run:
        async def ask(_: int, meter: Meter) -> None:
            asked = time.monotonic()
            async for line in post(f"{self.address}/chat/completions", BODY):
                if b'"content": ""' not in line:
                    asked = meter.note(asked, line)

        return await self.measure(ask, {"client": os.getpid(), "upstream": self.upstream})

    async def through_raw(self, _: int) -> Run:
        sockets = [await Socket.connect(self.raw_port, "/") for _ in range(self.options.streams)]

        async def ask(number: int, meter: Meter) -> None:
            asked = time.monotonic()
            sockets[number].send(BODY)
            async for text in sockets[number].texts():
                asked = meter.note(asked, text)

        parts = {"client": os.getpid(), "relay": self.raw, "upstream": self.upstream}
        return await self.measure(ask, parts, sockets)

    async def through_rounds(self, repeat: int) -> Run:
        headers = f"Cookie: sessionid={self.cookie}\r\nOrigin: http://127.0.0.1:{self.rounds_port}\r\n"
        mine = self.consultations[repeat * self.options.streams :][: self.options.streams]
        paths = [f"/ws/consultations/{consultation}/" for consultation in mine]
        sockets = [await Socket.connect(self.rounds_port, path, headers) for path in paths]
        for each in sockets:
            each.send(b'{"since":0}')

        async def ask(number: int, meter: Meter) -> None:
            asked = time.monotonic()
            sockets[number].send(b'{"do":"retry"}')
            async for text in sockets[number].texts():
                if text.startswith(b'{"type":"token"') and b'"field":"action"' not in text:
                    asked = meter.note(asked, text)

        parts = {"client": os.getpid(), "relay": self.rounds, "upstream": self.upstream, **self.stores}
        return await self.measure(ask, parts, sockets)

    async def measure(self, ask: Ask, parts: dict[str, int], sockets: Sequence[Socket] = ()) -> Run:
        """Start all streams, and once all flow take the processor time of every process for a while."""
        meter, streams = Meter(), self.options.streams
        tasks = []
        for number in range(streams):
            tasks.append(asyncio.create_task(ask(number, meter)))
            await asyncio.sleep(START_SPREAD / streams)
        while len(meter.waits) < streams:
            await asyncio.sleep(0.05)
            for task in tasks:
                if task.done():
                    raise RuntimeError(f"a stream ended before its first token: {task.exception()}")
        await asyncio.sleep(SETTLE)
        before, tokens = processor_times(parts), meter.tokens
        await asyncio.sleep(self.options.seconds)
        after, tokens = processor_times(parts), meter.tokens - tokens
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for each in sockets:
            each.send(b'{"do":"stop"}')
        await asyncio.sleep(COOL_DOWN / 2)
        for each in sockets:
            each.close()
        await asyncio.sleep(COOL_DOWN / 2)
        cost = {name: round(1e6 * (after[name] - before[name]) / tokens, 1) for name in parts}
        return Run(tokens, cost, millis(meter.waits), millis(meter.transits))


def prepared(address: str, count: int, env: dict[str, str]) -> dict[str, Any]:
    """Tables, a clinician's session, and a consultation that waits to be retried for every stream and repeat."""
    command = [sys.executable, "-m", "tests.drills.prepare", address, "bench", str(count)]
    done = subprocess.run(command, env=env, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return dict(json.loads(done.stdout))


def report(options: argparse.Namespace, runs: dict[str, list[Run]]) -> None:
    names = list(dict.fromkeys(name for arm in runs.values() for run in arm for name in run.cost))
    print(f"{options.streams} streams x {options.rate:.0f} tokens/s, median of {options.repeats} runs; us per token")
    print(f"{'':8}" + "".join(f"{name:>12}" for name in names) + f"{'first token':>14}{'on its way':>13}")
    for arm, done in runs.items():
        cells = "".join(f"{middle([run.cost.get(name, 0.0) for run in done]):12.1f}" for name in names)
        print(
            f"{arm:8}{cells}{middle([run.first_ms for run in done]):11.2f} ms"
            f"{middle([run.transit_ms for run in done]):10.2f} ms"
        )
    print(json.dumps(result(options, runs)))


def result(options: argparse.Namespace, runs: dict[str, list[Run]]) -> dict[str, Any]:
    """Both sides of every ratio, and every repeat."""
    relay = {arm: middle([run.cost["relay"] for run in runs[arm]]) for arm in ("raw", "rounds")}
    stores = ("relay", "PostgreSQL", "Valkey")
    whole = middle([sum(run.cost[name] for name in stores) for run in runs["rounds"]])
    return {
        "streams": options.streams,
        "rate": options.rate,
        "cpu_us_per_token": {
            **relay,
            "ratio": round(relay["rounds"] / relay["raw"], 2),
            "target": TARGET_RATIO,
            "rounds_with_stores": whole,
            "ratio_with_stores": round(whole / relay["raw"], 2),
        },
        "first_token_on_its_way_ms": {**compared("transit_ms", runs), "target": TARGET_MS},
        "first_token_from_question_ms": compared("first_ms", runs),
        "repeats": {arm: [vars(run) for run in done] for arm, done in runs.items()},
    }


def compared(name: str, runs: dict[str, list[Run]]) -> dict[str, float]:
    found = {arm: middle([getattr(run, name) for run in done]) for arm, done in runs.items()}
    added = {f"added_to_{arm}": round(found["rounds"] - found[arm], 2) for arm in ("direct", "raw")}
    return {**found, **added}


def processor_times(parts: dict[str, int]) -> dict[str, float]:
    """This process without those it started; every other with its children, as PostgreSQL's are."""
    return {name: seconds(pid, with_children=pid != os.getpid()) for name, pid in parts.items()}


def millis(waits: list[float]) -> float:
    return round(1000 * statistics.median(waits), 2)


def middle(values: list[float]) -> float:
    return round(statistics.median(values), 2)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for(port: int, patience: float = 30.0) -> None:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise RuntimeError(f"nothing answers on port {port}")


def end(process: subprocess.Popen[Any]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
