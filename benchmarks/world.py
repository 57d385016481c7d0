"""Results per second of the language world at 1, 8 and 32 requests at once, against the engine's own ceiling.

    python -m benchmarks.world --url http://127.0.0.1:8200/v1 --model NAME [--results 32] [--repeats 3] [--json]

Both sides send the same prompts with the same seeds and have the same number of tokens written. The world: prompt
by the grammar, streamed, stop strings, values read, monitor (one try). The ceiling: the same prompts as plain
completions whose length is fixed to what the model wrote in a first, uncounted pass. Repeats are interleaved, and
who goes first alternates.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import islice, product
from statistics import median
from typing import Any

import aiohttp

from agents.completions import CompletionClient
from agents.errors import PolicyError
from agents.sse import Delta
from agents.types import Sampling
from agents.world import grammar
from agents.world.language import LanguageWorld
from agents.world.language_draws import draw_seed
from agents.world.language_engine import WorldEngine
from agents.world.virtual import case_id
from agents.world.virtual_world import VirtualWorld

AT_ONCE = (1, 8, 32)
EXAMS = ("crp", "cbc", "bmp", "chest_xray", "vital_signs", "ecg", "troponin", "lft")
Job = Callable[[], Awaitable[int]]
"""Does one result and says how many tokens it had."""


class Counting(CompletionClient):
    """Notes how many tokens each seed was answered with."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.written: dict[int, int] = {}

    async def write(
        self, prompt: str, *, sampling: Sampling, stop: Sequence[str] = (), priority: int = 0
    ) -> AsyncGenerator[Delta, None]:
        async for delta in super().write(prompt, sampling=sampling, stop=stop, priority=priority):
            if delta.usage and sampling.seed is not None:
                self.written[sampling.seed] = delta.usage.completion
            yield delta


@dataclass(frozen=True)
class Asked:
    """One examination of one virtual patient, and the prompt and seed it comes to."""

    world: VirtualWorld
    exam: str
    prompt: str
    seed: int


def asked(count: int) -> list[Asked]:
    """The first `count` of all examinations of test patients, one patient after the other."""
    known = VirtualWorld(case_id("test", 0)).case.patient.model.known.catalogue.exams
    exams = [exam for exam in EXAMS if exam in known]
    found = []
    for number, exam in islice(product(range(count), exams), count):
        world = VirtualWorld(case_id("test", number))
        profile = LanguageWorld(world.record, None, world).profile  # type: ignore[arg-type]  # not asked here
        seed = draw_seed(0, world.record.id, exam)
        found.append(Asked(world, exam, grammar.query(profile, [], known[exam].name), seed))
    return found


def through_the_world(one: Asked, engine: WorldEngine, client: Counting) -> Job:
    async def job() -> int:
        draw = await LanguageWorld(one.world.record, engine, one.world, tries=1).draw(one.exam)
        return client.written[draw.tries[0].seed]

    return job


def plainly(one: Asked, http: aiohttp.ClientSession, url: str, model: str, tokens: int) -> Job:
    body = {
        "model": model, "prompt": one.prompt, "max_tokens": tokens, "min_tokens": tokens, "ignore_eos": True,
        "temperature": 1.0, "seed": one.seed, "add_special_tokens": False,
    }  # fmt: skip

    async def job() -> int:
        async with http.post(f"{url}/completions", json=body) as reply:
            reply.raise_for_status()
            return int((await reply.json())["usage"]["completion_tokens"])

    return job


async def timed(jobs: Sequence[Job], at_once: int) -> tuple[float, int]:
    """(seconds, tokens) of all jobs with `at_once` of them under way."""
    gate = asyncio.Semaphore(at_once)

    async def one(job: Job) -> int:
        async with gate:
            return await job()

    start = time.perf_counter()
    tokens = await asyncio.gather(*(one(job) for job in jobs))
    return time.perf_counter() - start, sum(tokens)


async def measure(url: str, model: str, *, results: int, repeats: int, max_tokens: int) -> dict[str, Any]:
    wanted = asked(results)
    async with (
        Counting(url, model, first_token_seconds=600, idle_seconds=120) as client,
        aiohttp.ClientSession() as http,
    ):
        engine = WorldEngine(client, "benchmark", max_tokens=max_tokens)
        world = [through_the_world(one, engine, client) for one in wanted]
        await timed(world, max(AT_ONCE))
        ceiling = [plainly(one, http, client.url, model, client.written[one.seed]) for one in wanted]
        rows = [await _level(at_once, world, ceiling, repeats) for at_once in AT_ONCE]
    return {"model": model, "results": results, "max_tokens": max_tokens, "levels": rows}


async def _level(at_once: int, world: Sequence[Job], ceiling: Sequence[Job], repeats: int) -> dict[str, Any]:
    sides = {"world": list(world), "ceiling": list(ceiling)}
    seen: dict[str, list[tuple[float, int]]] = {name: [] for name in sides}
    for repeat in range(repeats):
        for name in sorted(sides, reverse=repeat % 2 == 0):
            seen[name].append(await timed(sides[name], at_once))
    rate = {name: [len(world) / seconds for seconds, _ in runs] for name, runs in seen.items()}
    tokens = {name: [tokens / seconds for seconds, tokens in runs] for name, runs in seen.items()}
    return {
        "at_once": at_once,
        "results_per_s": round(median(rate["world"]), 3),
        "ceiling_results_per_s": round(median(rate["ceiling"]), 3),
        "ratio": round(median(rate["world"]) / median(rate["ceiling"]), 3),
        "tokens_per_s": round(median(tokens["world"]), 1),
        "ceiling_tokens_per_s": round(median(tokens["ceiling"]), 1),
        "repeats": {name: [round(one, 3) for one in rates] for name, rates in rate.items()},
        "tokens": {name: [count for _, count in runs] for name, runs in seen.items()},
    }


def show(found: dict[str, Any]) -> None:
    print(f"{found['model']}: {found['results']} results a run, at most {found['max_tokens']} tokens each")
    print(f"{'at once':>8} {'results/s':>10} {'ceiling':>8} {'ratio':>6} {'tokens/s':>9} {'ceiling':>8}")
    for row in found["levels"]:
        print(
            f"{row['at_once']:8} {row['results_per_s']:10.2f} {row['ceiling_results_per_s']:8.2f} {row['ratio']:6.2f}"
            f" {row['tokens_per_s']:9.1f} {row['ceiling_tokens_per_s']:8.1f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True, help="of the world model's server, ending in /v1")
    parser.add_argument("--model", required=True)
    parser.add_argument("--results", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--max-tokens", type=int, default=512)
    parser.add_argument("--json", action="store_true", help="nothing but the JSON line")
    options = parser.parse_args()
    numbers = {name: getattr(options, name) for name in ("results", "repeats", "max_tokens")}
    try:
        found = asyncio.run(measure(options.url, options.model, **numbers))
    except (PolicyError, aiohttp.ClientError) as error:
        raise SystemExit(f"The server at {options.url} broke off, so nothing was measured: {error}") from error
    if not options.json:
        show(found)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
