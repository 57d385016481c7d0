"""Trains a policy by multi-turn GRPO in the virtual clinic, for the environment's rewards and physicians' criteria.

python -m training.trainers.grpo RUN [--resume]   (several processes: accelerate launch -m training.trainers.grpo RUN)

GRPO after arXiv 2402.03300; rewards and their weights after DiagGym (arXiv 2510.24654). Loss, optimizer and processes
are TRL's; what it trains on is ours: TRL's own rollouts know one turn, and its vLLM needs CUDA. The one method
overridden plays whole consultations, applies the recipe, and hands TRL ids, masks and an advantage for every token.
Simpler than the paper: no replay, one update per batch of episodes.

config.json: "methods" (a recipe of training.methods), "codec", "seeds" {order, model, rollout}, and "recipe", the
settings: DEFAULTS below and base, start; rollouts: "local" (sampled in this process), an address of a vLLM in
developers' mode, or "own" (a child: serve_command with {weights} in it, port, served_name). data.jsonl: grpo_cases.
After every update the server gets the new weights. `logprob_gap`, the mean |difference| of the log-probs of sampled
tokens between trainer and server on two of the next episodes, shows that it samples from about the same ones: weights
of another run or of long ago are found, those of one update ago may not be.
"""

from __future__ import annotations

import asyncio
import math
import random
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch.nn.functional import pad
from transformers import TrainerCallback
from trl import GRPOConfig, GRPOTrainer
from trl.trainer.utils import use_adapter

from agents.codecs import Codec, by_name
from agents.types import Episode, PolicyIdentity, Sampling
from training.methods import information, pipeline
from training.methods.recipe import Recipe, from_dict
from training.methods.rewards import Context
from training.rundir import RunDir, RunFolderError
from training.trainers import grpo_batch, grpo_cases, kept_in_folder
from training.trainers.grpo_cases import TrainingCase
from training.trainers.kept_in_folder import COMMON, SCRATCH, KeptInFolder, Metrics, Stop, Stopped
from training.trainers.local_sampler import LocalSampler
from training.trainers.rollout_server import RolloutServer
from training.trainers.speaker import Sampler, TokenPlayer, TokenSpeaker

DEFAULTS: dict[str, Any] = {
    **COMMON,
    "steps": 50,
    "lr": None,
    "groups": 4,
    "group": 8,
    "micro": 8,
    "temperature": 1.0,
    "max_tokens": None,
    "context": 4096,
    "rollouts": "local",
    "gap_limit": 0.2,
    "patience": 5,
    "malformed_limit": 0.9,
    "entropy_limit": 0.01,
}
"""`groups` cases x `group` episodes a step and process; lr None is the recipe's; gap_limit in nats per token."""
OF_TRL = {"loss": "loss", "grad_norm": "grad_norm", "learning_rate": "lr", "kl": "kl", "entropy": "entropy"}
WATCHED = (
    "reward", "turns", "length", "exam_rate", "malformed", "unscored", "dropped", "judge_failures",
    "zero_variance_groups", "logprob_gap", "tokens_per_second", "rollout_seconds",
)  # fmt: skip


COMPARED = 2
"""Episodes of a batch, those with the most sampled tokens, whose log-probs are compared with the server's."""


class Grpo(KeptInFolder, GRPOTrainer):
    """TRL's trainer, its batches played by us."""

    clinic: Clinic

    def _generate_and_score_completions(self, inputs: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """One batch of episodes, every group whole on this process."""
        self.stop.check()
        played = self.clinic.play([row["row"] for row in inputs[:: self.num_generations]], self)
        device = self.accelerator.device
        batch = {name: tensor.to(device) for name, tensor in played.tensors.items()}
        sampled, mask = batch.pop("sampled"), batch["tool_mask"].bool()
        longest = mask.sum(dim=1).topk(min(COMPARED, len(mask))).indices
        with torch.no_grad():
            told = self._logprobs(self.model, {name: tensor[longest] for name, tensor in batch.items()})
            if self.beta:
                batch["ref_per_token_logps"] = self._reference(batch)
        difference = ((told - sampled[longest]).abs() * mask[longest]).sum()
        counts = [difference, mask[longest].sum().float(), mask.sum().float()]
        totals = self.accelerator.reduce(torch.stack(counts), reduction="sum")
        # Without a token that stayed nothing was compared, which is no proof of being in step.
        gap = float(totals[0] / totals[1])
        self._tell({**played.watched, "logprob_gap": gap})
        if gap > self.clinic.recipe["gap_limit"]:
            raise RunFolderError(
                f"The rollout server samples from other weights than those that are trained: its log-probs differ by "
                f"{gap:.2f} nats per token (at most {self.clinic.recipe['gap_limit']})."
            )
        # One update a batch: TRL takes the log-probs of that update as the old ones, where none are given.
        return {**batch, "num_items_in_batch": totals[2].clamp(min=1)}

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        **options: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        """TRL's, on the columns that these few episodes fill: the rest is padding to the longest of the whole batch."""
        few = batch_size or len(input_ids)
        logps, entropies = [], []
        for ids, real in zip(input_ids.split(few), attention_mask.split(few), strict=True):
            filled = real.any(dim=0).nonzero()
            first, end = int(filled[0]), int(filled[-1]) + 1
            cut = ids.size(1) - end
            told, entropy, _ = super()._get_per_token_logps_and_entropies(
                model, ids[:, first:end], real[:, first:end], logits_to_keep - cut, **options
            )
            logps.append(pad(told, (0, cut)))
            entropies.append(None if entropy is None else pad(entropy, (0, cut)))
        known = [entropy for entropy in entropies if entropy is not None]
        return torch.cat(logps), torch.cat(known) if known else None, None

    def _logprobs(self, model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Log-probs (E, T) of the completion's tokens."""
        ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
        real = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
        told, _, _ = self._get_per_token_logps_and_entropies(
            model, ids, real, batch["completion_ids"].size(1), batch_size=self.args.per_device_train_batch_size
        )
        return told

    def _reference(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """The same of the weights that the run began from."""
        if self.ref_model is not None:
            return self._logprobs(self.ref_model, batch)
        model = self.accelerator.unwrap_model(self.model)
        with use_adapter(model, adapter_name="ref" if "ref" in model.peft_config else None):
            return self._logprobs(self.model, batch)

    def _tell(self, numbers: dict[str, float]) -> None:
        """To the log of this step, the mean over the processes that have the number; all gather the same names."""
        names = sorted({*WATCHED, *self.clinic.parts})
        missing = float("nan")
        mine = torch.tensor([[numbers.get(name, missing) for name in names]], device=self.accelerator.device)
        for name, value in zip(names, self.accelerator.gather(mine).nanmean(dim=0).tolist(), strict=True):
            if math.isfinite(value):
                self._metrics["train"][name].append(value)


class Played:
    """A batch of episodes as tensors, and what is watched of it."""

    def __init__(self, tensors: dict[str, torch.Tensor], watched: dict[str, float]) -> None:
        self.tensors, self.watched = tensors, watched


class Clinic:
    """Plays the policy under training: cases, codec, recipe, and where tokens are sampled."""

    def __init__(
        self, run: RunDir, recipe: dict[str, Any], cases: list[TrainingCase], server: RolloutServer | None, stop: Stop
    ) -> None:
        config = run.config
        self.recipe, self.cases, self.server, self.stop = recipe, cases, server, stop
        self.methods: Recipe = from_dict(config["methods"])
        self.parts = [f"reward_{name}" for name in self.methods.rewards()]
        self.codec: Codec = by_name(config.get("codec") or "structured")
        self.seed: int = config["seeds"]["rollout"]
        sampling = Sampling(
            temperature=recipe["temperature"], max_tokens=recipe["max_tokens"] or getattr(self.codec, "max_tokens", 256)
        )
        base = str((config.get("base") or {}).get("content", "unknown"))
        self.identity = PolicyIdentity(f"run {run.path.name}", base, None, self.codec.digest, "trainer", sampling)
        self._runner = asyncio.Runner()
        self._synced = -1

    def wait_for_server(self) -> None:
        """Raises RunFolderError where it does not come up, Stopped."""
        assert self.server is not None
        self._runner.run(self.server.ready(self.stop))

    def play(self, rows: list[int], trainer: Grpo) -> Played:
        """A group of episodes for each of these cases, by the policy as it is now. Raises Stopped, PolicyError."""
        started, step = time.monotonic(), trainer.state.global_step
        sampler = self._sampler(trainer, step)
        chosen = [self.cases[row] for row in rows]
        tag = f"{self.seed}/{step}/{trainer.accelerator.process_index}"
        episodes, contexts, players, failures = self._runner.run(self._watched(chosen, sampler, trainer, tag))
        seconds = time.monotonic() - started
        batch = pipeline.apply(episodes, contexts, self.methods)
        traces = [seat.trace for player in players for seat in player.seats]
        pad = trainer.processing_class.pad_token_id
        watched = grpo_batch.watched(episodes, batch, failures)
        watched |= {"rollout_seconds": seconds, "tokens_per_second": watched.pop("sampled_tokens") / seconds}
        return Played(grpo_batch.tensors(traces, batch, pad), watched)

    def _sampler(self, trainer: Grpo, step: int) -> Sampler:
        model = trainer.accelerator.unwrap_model(trainer.model)
        if self.server is None:
            tokenizer = trainer.processing_class
            return LocalSampler(model, end=tokenizer.eos_token_id, pad=tokenizer.pad_token_id)
        if step != self._synced:
            # Step 0 too: the first proof must not depend on how the server was started.
            if trainer.accelerator.is_main_process:
                self._runner.run(self.server.sync(model, step, trainer.processing_class))
            trainer.accelerator.wait_for_everyone()
            self._synced = step
        return self.server.client

    async def _watched(self, chosen: list[TrainingCase], sampler: Sampler, trainer: Grpo, tag: str) -> Any:
        """What `_rollouts` returns, unless somebody asks to stop meanwhile."""
        task = asyncio.ensure_future(self._rollouts(chosen, sampler, trainer, tag))
        while not task.done():
            await asyncio.wait([task], timeout=0.2)
            if self.stop.asked:
                task.cancel()
                raise Stopped
        if self.server:
            await self.server.client.close()
        return task.result()

    async def _rollouts(
        self, chosen: list[TrainingCase], sampler: Sampler, trainer: Grpo, tag: str
    ) -> tuple[list[Episode], list[Context], list[TokenPlayer], int]:
        players = [self._player(sampler, trainer.processing_class, f"{tag}/{n}") for n in range(len(chosen))]
        rollout = self.methods.chosen("rollout").function
        size = trainer.num_generations
        groups = await asyncio.gather(
            *(rollout(player, one.case, size) for player, one in zip(players, chosen, strict=True))
        )
        draws, rewarded = random.Random(tag), self.methods.rewards()
        wanted = {"references": "exam_f1" in rewarded, "accounts": any(name in rewarded for name in information.NAMES)}
        found: list[Context] = []
        failures = 0
        for n, (one, group) in enumerate(zip(chosen, groups, strict=True)):
            for episode in group:
                episode.group = f"{n}:{episode.group}"  # one case may be drawn twice in a step
            contexts, errors = await grpo_cases.contexts(one, group, draws=draws, **wanted)
            found, failures = found + contexts, failures + errors
        return [episode for group in groups for episode in group], found, players, failures

    def _player(self, sampler: Sampler, tokenizer: Any, tag: str) -> TokenPlayer:
        def seat(number: int) -> TokenSpeaker:
            digest = blake2b(f"{tag}/{number}".encode(), digest_size=4).digest()
            seed = int.from_bytes(digest) % 2**31
            return TokenSpeaker(sampler, tokenizer, self.codec, self.identity, self.recipe["context"], seed)

        return TokenPlayer(self.identity.version, self.identity, seat)


class CollapseWatch(TrainerCallback):
    """Ends a run whose policy is lost, with its last state kept.

    It reads what TRL has logged, which is the same in every process: one that went on alone would wait for ever.
    """

    def __init__(self, recipe: dict[str, Any]) -> None:
        self.recipe = recipe
        self.reason: str | None = None

    def on_log(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        limits = {"malformed": self.recipe["malformed_limit"], "entropy": self.recipe["entropy_limit"]}
        lines = [line for line in state.log_history if "malformed" in line]
        self.reason = grpo_batch.collapsed(lines, patience=self.recipe["patience"], **limits)
        if self.reason:
            control.should_save = control.should_training_stop = True


def build(run: RunDir, recipe: dict[str, Any], clinic: Clinic, stop: Stop) -> tuple[Grpo, Any, CollapseWatch]:
    """The trainer with its model, its cases in an order of the seed, and the objective of the recipe."""
    model, tokenizer, lora = kept_in_folder.load(recipe)
    objective = clinic.methods.call("objective")
    rate = recipe["lr"] or objective.pop("learning_rate")
    objective.pop("learning_rate", None)
    objective["scale_rewards"] = "group" if objective["scale_rewards"] else "none"
    episodes = recipe["groups"] * recipe["group"]
    if episodes % recipe["micro"]:
        raise RunFolderError("groups x group must be a multiple of micro.")
    config = GRPOConfig(
        **kept_in_folder.arguments({**recipe, "lr": rate}, run, run.config["seeds"]),
        **objective,
        num_generations=recipe["group"],
        per_device_train_batch_size=recipe["micro"],
        gradient_accumulation_steps=episodes // recipe["micro"],
        max_completion_length=recipe["context"],
        temperature=recipe["temperature"],
        disable_dropout=True,
    )
    names = {**OF_TRL, **{name: name for name in (*WATCHED, *clinic.parts)}}
    watch = CollapseWatch(recipe)
    trainer = Grpo(
        model,
        reward_funcs=[_of_recipe],
        args=config,
        train_dataset=_rows(len(clinic.cases), recipe["groups"] * config.world_size),
        processing_class=tokenizer,
        peft_config=lora,
        callbacks=[Metrics(run, names), watch],
    )
    trainer.run, trainer.stop, trainer.keep, trainer.clinic = run, stop, recipe["keep"], clinic
    return trainer, tokenizer, watch


def _rows(cases: int, at_once: int) -> Dataset:
    """One row for each case, repeated until there are enough for one step."""
    times = -(-at_once // cases)
    return Dataset.from_list([{"prompt": "", "row": n} for n in range(cases)] * times)


def _of_recipe(**_: Any) -> list[float]:
    """TRL wants a reward function, and never calls this one: the recipe's rewards are applied to whole episodes."""
    raise NotImplementedError


def train(run: RunDir, resume: bool, stop: Stop) -> int:
    recipe = {**DEFAULTS, **run.config["recipe"]}
    cases = grpo_cases.read(row for row in run.rows() if row.get("split", "train") == "train")
    with ExitStack() as held:
        server = _server(run, recipe, held)
        clinic = Clinic(run, recipe, cases, server, stop)
        trainer, tokenizer, watch = build(run, recipe, clinic, stop)
        if server:
            if recipe["rollouts"] == "own" and trainer.accelerator.is_main_process:
                server.start(recipe["start"])
            clinic.wait_for_server()
        code = kept_in_folder.train(trainer, run, resume=resume)
        if code is not None:
            return code
        if watch.reason:
            raise RunFolderError(f"The policy collapsed, so the run was ended: {watch.reason}.")
    counts = {"cases": len(cases), "episodes_per_step": recipe["groups"] * recipe["group"]}
    counts["criteria"] = len({(each.id, each.text) for one in cases for each in one.criteria})
    kept_in_folder.finish(trainer, run, recipe, tokenizer, counts)
    return 0


def _server(run: RunDir, recipe: dict[str, Any], held: ExitStack) -> RolloutServer | None:
    if recipe["rollouts"] == "local":
        return None
    scratch = run.path / SCRATCH
    scratch.mkdir(exist_ok=True)
    return held.enter_context(RolloutServer(recipe, scratch, Path(f"{run.path}.server.log")))


def main() -> int:
    return kept_in_folder.command_line(__doc__ or "", train)


if __name__ == "__main__":
    sys.exit(main())
