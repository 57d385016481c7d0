"""How much of a consultation's prompts vLLM reads from its prefix cache.

    python -m benchmarks.prefix_reuse [--turns 12] [--consultations 3]

Consultations of the default model with virtual patients, one after another, kept from ending early. For every turn
after the first, `possible` is the longest common prefix with what the server has seen of this consultation (prompts
and answers, as token ids), rounded down to whole cache blocks; `hits` is vLLM's own counter. The server must have no
other work, which its counter of queries shows. Table, then one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from typing import Any

import aiohttp

from agents.client import PolicyClient
from agents.codecs import StructuredCodec
from agents.types import MAX_TURNS, Exchange, Sampling
from benchmarks.rollouts import cpu_engine
from training.evaluation.cases import case_set

BLOCK = 128
"""Tokens in a block of vLLM's cache on a CPU."""
TARGET = 0.95
PATIENCE = {"first_token_seconds": 600.0, "idle_seconds": 120.0}


@dataclass(frozen=True)
class Reuse:
    """Tokens of one turn's prompt: all, what could have come from the cache, and what did."""

    turn: int
    prompt: int
    possible: int
    hits: int


class OtherWork(RuntimeError):
    """The server answered someone else meanwhile: its counters do not tell about us."""


def common_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    """How many token ids two sequences share from the start."""
    for n, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return n
    return min(len(first), len(second))


def possible(prompt: Sequence[int], seen: Sequence[Sequence[int]], block: int = BLOCK) -> int:
    """The most tokens of a prompt that a cache of whole blocks can hold after `seen`; the last token is always read."""
    shared = max((common_prefix(prompt, each) for each in seen), default=0)
    return min(shared, len(prompt) - 1) // block * block


def share(rows: Sequence[Reuse]) -> float:
    """Hits of what was possible, turns after the first."""
    return sum(row.hits for row in rows) / max(1, sum(row.possible for row in rows))


def counters(metrics: str) -> tuple[int, int]:
    """(queries, hits) in tokens, of a page of vLLM's metrics; KeyError where they are missing."""
    found: dict[str, int] = {}
    for name, value in re.findall(r"^vllm:prefix_cache_(queries|hits)_total(?:\{[^}]*\})? (\S+)$", metrics, re.M):
        found[name] = found.get(name, 0) + int(float(value))
    return found["queries"], found["hits"]


async def consult(url: str, model: str, *, turns: int = MAX_TURNS, number: int = 0, seed: int = 1) -> list[Reuse]:
    """One row per turn after the first, of a consultation that only asks and examines."""
    env = case_set("virtual:test", limit=number + 1)[number].environment()
    codec, inquiry = StructuredCodec(), await env.reset()
    sampling = Sampling(temperature=1.0, seed=seed, max_tokens=codec.max_tokens)
    exchanges: list[Exchange] = []
    seen: list[tuple[int, ...]] = []
    rows: list[Reuse] = []
    async with PolicyClient(url, model, **PATIENCE) as client, aiohttp.ClientSession() as session:
        for turn in range(1, turns + 1):
            before = await _counters(session, url)
            messages = codec.messages(inquiry, exchanges)
            said = await client.complete(messages, sampling=sampling, response_format=_going_on(codec), tokens=True)
            after = await _counters(session, url)
            if after[0] - before[0] != len(said.prompt_ids):
                raise OtherWork(
                    f"turn {turn}: {after[0] - before[0]} tokens looked up, {len(said.prompt_ids)} were ours"
                )
            if turn > 1:
                rows.append(Reuse(turn, len(said.prompt_ids), possible(said.prompt_ids, seen), after[1] - before[1]))
            seen += [said.prompt_ids, said.prompt_ids + said.token_ids]
            result = await env.step(codec.parse(said.text))
            exchanges.append(Exchange(said.text, codec.reply(result.observations)))
    return rows


def _going_on(codec: StructuredCodec) -> dict[str, Any]:
    """The usual response format without the actions that end a consultation."""
    wanted = deepcopy(codec.response_format())
    wanted["json_schema"]["schema"]["properties"]["action"] = {"enum": ["ask", "examine"]}
    return wanted


async def _counters(session: aiohttp.ClientSession, url: str) -> tuple[int, int]:
    async with session.get(f"{url.removesuffix('/v1')}/metrics") as reply:
        return counters(await reply.text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=MAX_TURNS)
    parser.add_argument("--consultations", type=int, default=3)
    options = parser.parse_args()
    with cpu_engine() as engine:
        found = [
            asyncio.run(consult(engine.url, engine.model, turns=options.turns, number=number))
            for number in range(options.consultations)
        ]
    for rows in found:
        print("turn    " + "".join(f"{row.turn:>6}" for row in rows))
        for name in ("prompt", "possible", "hits"):
            print(f"{name:8}" + "".join(f"{getattr(row, name):>6}" for row in rows))
        print(f"{share(rows):.4f} of the possible\n")
    result = {"turns": options.turns, "block": BLOCK, "target": TARGET, "shares": [round(share(r), 4) for r in found]}
    rows = [row for each in found for row in each]
    result |= {
        "share": round(share(rows), 4),
        "share_of_all_prompt_tokens": round(sum(row.hits for row in rows) / sum(row.prompt for row in rows), 4),
        "consultations": [[asdict(row) for row in each] for each in found],
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
