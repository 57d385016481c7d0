"""Episodes per second of our rollout engine against DiagGym's two loops: same model, seeds, sampling and environment.

    python -m benchmarks.rollouts [--engine latency|cpu] [--repeats 3] [--copies 8] [--cases 48]

`latency` is benchmarks/latency_engine.py with 128 slots in its own process; `cpu` is the default model in a real
vLLM, started here unless POLICY_URL and POLICY_MODEL name a running one. Cases are virtual patients of the test split,
each played by several copies with seeds of their own, 320 episodes by default: the paper's batch of 512 x 5 on eight
GPUs. An examination or question takes the world half a second on average, as DiagGym's does (benchmarks/slow_world.py).
The loops take turns in every repeat, and each begins with an empty prefix cache where the engine
can empty it. The sequential loop plays a sample of the episodes, other ones in each repeat: its rate does not depend on
how many there are. Rewards and transcripts of every loop are compared with ours; where the engine answers by prompt
and seed alone (`latency`), a reward that differs ends the benchmark with an error. The engine alone is timed too,
first turns one at a time and all at once: no order of work gains more from a batch than it does. Table, then one JSON
object.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import aiohttp

from agents.client import PolicyClient
from agents.codecs import Codec, by_name
from agents.policy import Policy
from agents.types import MAX_TURNS, Episode, PolicyIdentity, Sampling
from benchmarks.comparison import Run, Told, agreement, median_ratio, told
from benchmarks.loops import Loop, Seat, first_turns, lockstep, rounds, sequential
from benchmarks.relay import end
from benchmarks.slow_world import slow
from clinic.local.checks import temporary_home
from clinic.local.home import ROOT
from clinic.local.stack import Stack
from training.evaluation.cases import EvaluationCase, case_set, kept_references
from training.methods.rewards import Context

PATIENCE = {"first_token_seconds": 1200.0, "idle_seconds": 300.0}
"""Seconds: a loop that asks for everything at once must be able to wait for it."""


@dataclass(frozen=True)
class Engine:
    """Where to ask, how, and what is aimed at; `slots` is how many requests it answers at once."""

    name: str
    url: str
    model: str
    codec: str
    slots: int
    targets: dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=("latency", "cpu"), default="latency")
    parser.add_argument("--cases", type=int, default=40)
    parser.add_argument("--copies", type=int, default=8, help="episodes of each case")
    parser.add_argument("--sequential", type=int, default=6, help="episodes the sequential loop plays in a repeat")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--max-turns", type=int, default=MAX_TURNS)
    parser.add_argument("--temperature", type=float, default=1.0, help="as in DiagGym's training")
    parser.add_argument("--concurrency", type=float, default=3.0, help="our episodes at a time per slot of the engine")
    parser.add_argument("--world-seconds", type=float, default=0.52, help="mean time of one environment call")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the engine is stopped too
    with contextlib.ExitStack() as cleanup:
        cleanup.enter_context(kept_references(ROOT / "var" / "benchmarks" / "references.json"))
        cases = case_set("virtual:test", limit=options.cases)
        contexts = [Context(case.answer, case.reference_examinations) for case in cases]
        engine = cleanup.enter_context(latency_engine() if options.engine == "latency" else cpu_engine())
        runs, alone = asyncio.run(Bench(options, engine, cases, contexts).run())
    report(options, engine, runs, alone)


@contextlib.contextmanager
def latency_engine(slots: int = 128) -> Iterator[Engine]:
    command = [sys.executable, "-m", "benchmarks.latency_engine", "--slots", str(slots)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True)
    try:
        assert process.stdout
        url = f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        yield Engine("latency", url, "scripted", "diagagent", slots, {"sequential": 30.0, "lockstep": 2.0})
    finally:
        end(process)


@contextlib.contextmanager
def cpu_engine() -> Iterator[Engine]:
    """The default model; POLICY_URL and POLICY_MODEL name one that runs already."""
    targets = {"sequential": 5.0, "lockstep": 1.2}
    if os.environ.get("POLICY_URL"):
        yield Engine("cpu", os.environ["POLICY_URL"], os.environ["POLICY_MODEL"], "structured", 32, targets)
        return
    with contextlib.ExitStack() as cleanup:
        stack = Stack(cleanup.enter_context(temporary_home()))
        cleanup.callback(stack.stop)
        stack.start_model()
        assert stack.model
        stack.model.wait_until_ready(stack.pause)
        yield Engine("cpu", stack.env["POLICY_URL"], stack.env["POLICY_MODEL"], "structured", 32, targets)


class Bench:
    """The episodes to play, and the three loops that play them."""

    def __init__(
        self,
        options: argparse.Namespace,
        engine: Engine,
        cases: Sequence[EvaluationCase],
        contexts: Sequence[Context],
    ) -> None:
        self.options, self.engine = options, engine
        pairs = [(case, context, copy) for case, context in zip(cases, contexts, strict=True) for copy in self.copies()]
        self.cases = [(case, copy) for case, _, copy in pairs]
        self.contexts = [context for _, context, _ in pairs]

    def copies(self) -> range:
        return range(self.options.copies)

    async def run(self) -> tuple[dict[str, list[Run]], dict[str, list[float]]]:
        """Every repeat of every loop, ours first and last by turns; and the engine alone, in tokens per second."""
        concurrency = max(1, round(self.options.concurrency * self.engine.slots))
        ours = ("rounds", rounds(concurrency))
        runs: dict[str, list[Run]] = {"sequential": [], "lockstep": [], "rounds": []}
        alone: dict[str, list[float]] = {"one": [], "all": []}
        async with PolicyClient(self.engine.url, self.engine.model, **PATIENCE) as client:
            for repeat in range(self.options.repeats):
                theirs: list[tuple[str, Loop]] = [("sequential", sequential), ("lockstep", lockstep)]
                for name, loop in [ours, *theirs] if repeat % 2 == 0 else [*theirs, ours]:
                    run = await self.play(name, loop, client, repeat)
                    runs[name].append(run)
                    print(f"{name} {repeat + 1}/{self.options.repeats}: {run.summary()}", file=sys.stderr, flush=True)
                alone["one"].append(await self.first(self.sample(repeat), client, at_once=False))
                alone["all"].append(await self.first(range(len(self.cases))[: self.engine.slots], client, at_once=True))
        return runs, alone

    async def first(self, numbers: Sequence[int], client: PolicyClient, *, at_once: bool) -> float:
        await empty_prefix_cache(self.engine.url)
        return await first_turns([self.seat(number, client) for number in numbers], at_once=at_once)

    async def play(self, name: str, loop: Loop, client: PolicyClient, repeat: int) -> Run:
        numbers = self.sample(repeat) if name == "sequential" else list(range(len(self.cases)))
        seats = [self.seat(number, client) for number in numbers]
        await empty_prefix_cache(self.engine.url)
        started = time.monotonic()
        episodes = await loop(seats, self.options.max_turns)
        seconds = time.monotonic() - started
        return Run(seconds, self.told(numbers, episodes))

    def sample(self, repeat: int) -> list[int]:
        """Episodes spread over all, other ones in each repeat."""
        stride = max(1, len(self.cases) // self.options.sequential)
        return [(number + repeat) % len(self.cases) for number in range(0, len(self.cases), stride)][
            : self.options.sequential
        ]

    def seat(self, number: int, client: PolicyClient) -> Seat:
        case, copy = self.cases[number]
        codec: Codec = by_name(self.engine.codec)
        sampling = Sampling(self.options.temperature, max_tokens=512, seed=1000 + copy)
        identity = PolicyIdentity("benchmark", self.engine.model, None, codec.digest, self.engine.name, sampling)
        return Policy(client, codec, sampling, identity), slow(case.environment(), self.options.world_seconds)

    def told(self, numbers: Sequence[int], episodes: Sequence[Episode]) -> dict[int, Told]:
        pairs = zip(numbers, episodes, strict=True)
        return {number: told(episode, self.contexts[number]) for number, episode in pairs}


async def empty_prefix_cache(url: str) -> None:
    """Where the engine has no such door, whoever comes first pays for what all share: the system prompt."""
    async with aiohttp.ClientSession() as session, session.post(f"{url.removesuffix('/v1')}/reset_prefix_cache"):
        return


def report(
    options: argparse.Namespace, engine: Engine, runs: dict[str, list[Run]], alone: dict[str, list[float]]
) -> None:
    print(
        f"{engine.name} engine, {engine.slots} slots, {options.cases} cases x {options.copies}, {options.repeats} runs"
    )
    for name, done in runs.items():
        print(f"{name:>11}: " + "  ".join(run.summary() for run in done))
    found: dict[str, Any] = {"engine": engine.name, "slots": engine.slots, "options": vars(options)}
    for name in ("sequential", "lockstep"):
        ratio = median_ratio(runs["rounds"], runs[name])
        same = agreement(runs["rounds"], runs[name])
        found[name] = {**ratio, "target": engine.targets[name], **same}
        print(
            f"x {ratio['ratio']:.2f} {name} (aimed at {engine.targets[name]}); rewards equal in "
            f"{same['equal_rewards']} of {same['compared']}, transcripts in {same['equal_transcripts']}"
        )
    one, every = median(alone["one"]), median(alone["all"])
    found["engine_alone"] = {"one_at_a_time": round(one, 1), "all_at_once": round(every, 1), "unit": "tokens/s"}
    print(f"the engine alone, first turns: {one:.1f} tokens/s one at a time, {every:.1f} at once: x {every / one:.2f}")
    found["repeats"] = {name: [run.as_dict() for run in done] for name, done in runs.items()}
    print(json.dumps(found))
    unequal = [name for name in ("sequential", "lockstep") if found[name]["equal_rewards"] < found[name]["compared"]]
    if unequal and engine.name == "latency":
        raise SystemExit(f"rewards differ from those of {' and '.join(unequal)}: the loops did not play the same")


if __name__ == "__main__":
    main()
