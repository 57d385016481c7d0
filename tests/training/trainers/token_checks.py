"""Checks of the GRPO trainer's tokens and gradients, in the training environment; prints what it found as JSON.

python -m tests.training.trainers.token_checks RUN
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from training.methods.pipeline import Batch
from training.rundir import RunDir
from training.trainers import fingerprint, grpo, grpo_cases
from training.trainers.kept_in_folder import Stop
from training.trainers.local_sampler import LocalSampler


def check(run: RunDir) -> dict[str, Any]:
    recipe = {**grpo.DEFAULTS, **run.config["recipe"]}
    stop = Stop()
    clinic = grpo.Clinic(run, recipe, grpo_cases.read(run.rows()), None, stop)
    trainer, tokenizer, _ = grpo.build(run, recipe, clinic, stop)
    return {**tokens(trainer, tokenizer, clinic), **gradients(trainer), **trimmed(trainer), **dropped(trainer)}


def tokens(trainer: Any, tokenizer: Any, clinic: grpo.Clinic) -> dict[str, Any]:
    """Whether what would be trained on is what was sampled, and the log-probs are the model's own."""
    sampler = LocalSampler(trainer.model, end=tokenizer.eos_token_id, pad=tokenizer.pad_token_id)
    player = clinic._player(sampler, tokenizer, "check")
    case = clinic.cases[0].case
    episodes = asyncio.run(clinic.methods.chosen("rollout").function(player, case, 6))
    same, prompts, worst = True, True, 0.0
    for seat, episode in zip(player.seats, episodes, strict=True):
        trace = seat.trace
        said = [i for turn in episode.turns if turn.tokens for i in turn.tokens.ids]
        same &= [i for i, own in zip(trace.ids, trace.mask, strict=True) if own] == said
        first = clinic.codec.messages(case.record.inquiry(), [])
        told = tokenizer.apply_chat_template([m.as_dict() for m in first], add_generation_prompt=True, return_dict=True)
        prompts &= trace.ids[: trace.mask.index(1)] == list(told["input_ids"])
        read = fingerprint.logprobs(trainer.model, trace.ids[:1], trace.ids[1:])
        worst = max(
            worst,
            max(abs(a - b) for a, b, own in zip(read, trace.logprobs[1:], trace.mask[1:], strict=True) if own),
        )
    turns = max(episode.agent_turns for episode in episodes)
    return {"same_ids": same, "same_prompt": prompts, "worst_difference": worst, "turns": turns}


def gradients(trainer: Any) -> dict[str, Any]:
    """The gradient on the last hidden state, where it predicts a token of the environment and where the agent's."""
    batch = trainer._generate_and_score_completions([{"prompt": "", "row": 0}] * trainer.num_generations)
    held: list[torch.Tensor] = []
    norm = trainer.model.get_base_model().model.norm
    hook = norm.register_forward_hook(lambda module, inputs, output: (output.retain_grad(), held.append(output))[0])
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1
    trainer.compute_loss(trainer.model, batch).backward()
    hook.remove()
    own = torch.cat([torch.zeros_like(batch["prompt_ids"]), batch["tool_mask"]], dim=1)[:, 1:].bool()
    gradient = held[-1].grad[:, :-1].abs().sum(-1)  # (E, T): position t predicts token t + 1
    real = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)[:, 1:].bool()
    return {
        "environment": float(gradient[~own].max()),
        "environment_tokens": int((~own & real).sum()),
        "agent": float(gradient[own].max()),
        "agent_tokens": int(own.sum()),
    }


def trimmed(trainer: Any) -> dict[str, Any]:
    """Two episodes of unlike lengths, far from the longest of their batch: with the padding and without it."""
    ids = torch.randint(3, 40, (2, 60), generator=torch.Generator().manual_seed(0))
    real = torch.zeros_like(ids)
    real[0, 8:31], real[1, 12:25] = 1, 1  # prompts end at 20
    scored = real[:, 20:].bool()
    own = torch.nn.Module.eval(trainer.model)
    with torch.no_grad():
        cut, sure, _ = trainer._get_per_token_logps_and_entropies(
            own, ids, real, 40, batch_size=1, compute_entropy=True
        )
        whole, unsure, _ = super(grpo.Grpo, trainer)._get_per_token_logps_and_entropies(
            own, ids, real, 40, compute_entropy=True
        )
    worst = max(float((a - b)[scored].abs().max()) for a, b in ((cut, whole), (sure, unsure)))
    return {"trimmed_shape": list(cut.shape), "trimmed_difference": worst}


def dropped(trainer: Any) -> dict[str, Any]:
    """A step of which no episode stayed: the loss, and how many gaps it told."""
    whole, told = grpo.pipeline.apply, len(trainer._metrics["train"]["logprob_gap"])

    def none_kept(*arguments: Any) -> Batch:
        batch = whole(*arguments)
        return replace(batch, kept=batch.kept & False, tokens=[0 * row for row in batch.tokens])

    grpo.pipeline.apply = none_kept
    try:
        batch = trainer._generate_and_score_completions([{"prompt": "", "row": 0}] * trainer.num_generations)
    finally:
        grpo.pipeline.apply = whole
    trainer.model.zero_grad()
    trainer.compute_loss(trainer.model, batch).backward()
    gradients = [p.grad for p in trainer.model.parameters() if p.grad is not None]
    return {
        "dropped_gradient": max(float(one.abs().max()) if one.isfinite().all() else -1.0 for one in gradients),
        "dropped_gaps": len(trainer._metrics["train"]["logprob_gap"]) - told,
    }


if __name__ == "__main__":
    print(json.dumps(check(RunDir(Path(sys.argv[1])))))
