"""Plays one row of the ablation on virtual patients: whole consultations, scored, gone on with after a kill.

python -m training.default.play RUN

RUN is a run folder. config.json: "codec", "base", "seeds" {rollout}, "recipe" {base, start, rollouts (as the GRPO
trainer's), temperature, samples, concurrency, context, max_turns, max_tokens, oracle, and RULES}; data.jsonl: {"case"}
rows. It writes sample-K/episodes.jsonl for each sample, and summary.json of the first. `oracle` is a folder in which
all rows of one set of patients keep what the greedy oracle did, which is planned once; "" where nobody asks for it.

A vLLM is spoken to as the product does, through the codec's own requests; without one the model of this process
samples. Runs in the training environment: no Django.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from agents.client import PolicyClient
from agents.codecs import by_name
from agents.errors import PolicyError
from agents.policy import Policy
from agents.rollout import Limits
from agents.types import PolicyIdentity, Sampling
from agents.weights.merge import ADAPTER
from training.evaluation.cases import EvaluationCase, kept_references, virtual_case
from training.evaluation.policies import Endpoint, Player
from training.evaluation.run import Settings, evaluate
from training.rundir import RunDir, RunFolderError, sha256, write_json
from training.trainers.kept_in_folder import SCRATCH, STOPPED, Stop, Stopped
from training.trainers.local_sampler import LocalSampler
from training.trainers.rollout_server import RolloutServer
from training.trainers.speaker import TokenPlayer, TokenSpeaker

RULES = ("resample", "least_fit")
"""Settings of Sampling that a server's player has beside those of every sampler."""
Opens = Callable[[int], Player]
"""The player of a sample's seed."""
REPLY_SECONDS = 900.0
"""A loaded machine may take its time; the server is ours alone."""
TRIES, PAUSE = 3, 15.0
"""A consultation that broke off is begun again, after longer than a circuit breaker waits."""


def play(run: RunDir, stop: Stop) -> None:
    """All samples; raises Stopped, RunFolderError, PolicyError."""
    recipe = run.config["recipe"]
    cases = [virtual_case(row["case"]) for row in run.rows()]
    if not recipe["oracle"]:
        cases = [replace(case, references=tuple) for case in cases]
    with ExitStack() as held:
        server = _server(run, recipe, held)
        runner = held.enter_context(asyncio.Runner())
        if server and recipe["rollouts"] == "own":
            server.start(recipe["start"])
            runner.run(server.ready(stop))
        opens = _speaking(run, server) if server else _local(run)
        with kept_references(Path(recipe["oracle"]) / "references.json") if recipe["oracle"] else nullcontext():
            for sample in range(recipe.get("samples", 1)):
                runner.run(_watched(run, cases, opens, sample))
    shutil.rmtree(run.path / SCRATCH, ignore_errors=True)
    run.finish(counts={"cases": len(cases), "samples": recipe.get("samples", 1)}, end="finished")


async def _watched(run: RunDir, cases: list[EvaluationCase], opens: Opens, sample: int) -> None:
    """One sample; SIGTERM ends it, what is finished is kept."""
    task = asyncio.ensure_future(_sample(run, cases, opens, sample))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        raise Stopped from None


async def _sample(run: RunDir, cases: list[EvaluationCase], opens: Opens, sample: int) -> None:
    recipe, folder = run.config["recipe"], run.path / f"sample-{sample}"
    player = opens(run.config["seeds"]["rollout"] + sample)
    limits = Limits(max_turns=recipe["max_turns"])
    settings = Settings(limits=limits, concurrency=recipe["concurrency"], against_oracle=bool(recipe["oracle"]))
    if recipe["oracle"]:
        _borrow(Path(recipe["oracle"]) / "oracle.jsonl", folder / "oracle.jsonl")
    began = len(cases) * sample

    def tell(done: int, total: int, what: str) -> None:
        if what == player.name:
            run.measured({"step": began + done})

    try:
        for left in reversed(range(TRIES)):
            summary = await evaluate("end-to-end", cases, player, folder=folder, settings=settings, on_progress=tell)
            if not summary["errors"] or not left:
                break
            await asyncio.sleep(PAUSE)
    finally:
        if isinstance(player, Endpoint) and isinstance(player.policy, Policy):
            await player.policy.client.close()
    if summary["errors"]:
        raise RunFolderError(f"{summary['errors']} of {len(cases)} consultations have no outcome; start again.")
    if recipe["oracle"]:
        _borrow(folder / "oracle.jsonl", Path(recipe["oracle"]) / "oracle.jsonl")
    if sample == 0:
        write_json(run.path / "summary.json", summary)


def _borrow(source: Path, target: Path) -> None:
    """A copy where there is none yet: the next row of these patients does not plan them again."""
    if source.is_file() and not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_suffix(".new")
        shutil.copyfile(source, fresh)
        fresh.rename(target)


def _server(run: RunDir, recipe: dict[str, Any], held: ExitStack) -> RolloutServer | None:
    if recipe["rollouts"] == "local":
        return None
    scratch = run.path / SCRATCH
    shutil.rmtree(scratch, ignore_errors=True)  # weights that were merged for a server that is gone
    scratch.mkdir()
    return held.enter_context(RolloutServer(recipe, scratch, Path(f"{run.path}.server.log")))


def _identity(run: RunDir, sampling: Sampling, engine: str) -> PolicyIdentity:
    config = run.config
    start = config["recipe"]["start"]
    adapter = sha256(Path(start) / ADAPTER) if start else None
    digest = by_name(config["codec"]).digest
    return PolicyIdentity(config["row"], config["base"]["content"], adapter, digest, engine, sampling)


def _sampling(run: RunDir, seed: int) -> Sampling:
    recipe = run.config["recipe"]
    most = recipe.get("max_tokens") or getattr(by_name(run.config["codec"]), "max_tokens", 512)
    hot = recipe["temperature"] > 0
    return Sampling(temperature=recipe["temperature"], max_tokens=most, seed=seed if hot else None)


def _speaking(run: RunDir, server: RolloutServer) -> Opens:
    recipe, codec = run.config["recipe"], by_name(run.config["codec"])

    def opens(seed: int) -> Player:
        sampling = replace(_sampling(run, seed), **{name: recipe[name] for name in RULES if name in recipe})
        client = PolicyClient(
            server.client.url, recipe["served_name"], first_token_seconds=REPLY_SECONDS, idle_seconds=REPLY_SECONDS
        )
        return Endpoint(run.config["row"], Policy(client, codec, sampling, _identity(run, sampling, "vllm")))

    return opens


def _local(run: RunDir) -> Opens:
    recipe, codec = run.config["recipe"], by_name(run.config["codec"])
    torch.set_num_threads(recipe.get("threads", 2))
    tokenizer = AutoTokenizer.from_pretrained(recipe["base"])
    model = AutoModelForCausalLM.from_pretrained(recipe["base"], dtype=torch.float32)
    if recipe["start"]:
        model = PeftModel.from_pretrained(model, recipe["start"]).merge_and_unload()
    ends = {"end": tokenizer.eos_token_id, "pad": tokenizer.pad_token_id}

    def opens(seed: int) -> Player:
        sampler = LocalSampler(model, **ends)
        identity = _identity(run, _sampling(run, seed), "this process")
        torch.manual_seed(seed)

        def seat(number: int) -> TokenSpeaker:
            return TokenSpeaker(sampler, tokenizer, codec, identity, recipe["context"], seed + number)

        return TokenPlayer(run.config["row"], identity, seat)

    return opens


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    stop = Stop()
    stop.listen()
    try:
        play(RunDir(parser.parse_args().run), stop)
    except Stopped:
        return STOPPED
    except (RunFolderError, PolicyError, OSError, ValueError) as problem:
        print(f"The consultations could not be played: {problem}", file=sys.stderr)  # noqa: T201
        return 1
    print(json.dumps({"ok": True}))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
