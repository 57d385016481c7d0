"""Trains a reward model from preferences: one number for a consultation, higher for what physicians preferred.

python -m training.trainers.reward RUN [--resume]

Bradley-Terry loss (arXiv 2203.02155) by TRL's RewardTrainer, a linear head on the policy's own base. data.jsonl: rows
of a snapshot's dpo.jsonl {"prompt", "chosen", "rejected", "weight", "split"}. config.json as in grpo.py, no `start`:
an adapter of a policy is not one of this model. It is no judge until physicians' agreement with it was measured.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from peft import LoraConfig
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from trl import RewardConfig, RewardTrainer

from training.rundir import RunDir, RunFolderError
from training.trainers import examples, kept_in_folder
from training.trainers.kept_in_folder import COMMON, KeptInFolder, Metrics, Stop
from training.trainers.pairs import Prepared

DEFAULTS: dict[str, Any] = {**COMMON, "steps": 100, "lr": 1e-4, "batch": 8, "micro": 2, "max_length": 2048}
NAMES = {
    "loss": "loss", "grad_norm": "grad_norm", "learning_rate": "lr", "eval_loss": "val_loss", "accuracy": "preferred",
    "margin": "margin", "eval_accuracy": "val_preferred",
}  # fmt: skip


class Reward(KeptInFolder, Prepared, RewardTrainer):
    """TRL's, on token ids of ours."""


def train(run: RunDir, resume: bool, stop: Stop) -> int:
    recipe = {**DEFAULTS, **run.config["recipe"], "start": None}
    if recipe["method"] != "lora":
        raise RunFolderError("A reward model is trained as an adapter.")
    torch.set_num_threads(recipe["threads"])
    tokenizer = AutoTokenizer.from_pretrained(recipe["base"])
    model = AutoModelForSequenceClassification.from_pretrained(recipe["base"], num_labels=1, dtype=torch.float32)
    model.config.pad_token_id = kept_in_folder.pad_of(tokenizer)

    def example(row: dict[str, Any]) -> dict[str, Any]:
        sides = {
            s: examples.said(tokenizer, row["prompt"], row[s], recipe["max_length"]) for s in ("chosen", "rejected")
        }
        return {f"{side}_ids": found.prompt + found.answer for side, found in sides.items()}

    data = examples.read(run, example, count=recipe["steps"] * recipe["batch"], seed=run.config["seeds"]["order"])
    config = RewardConfig(
        **kept_in_folder.arguments(recipe, run, run.config["seeds"]),
        **kept_in_folder.batches(recipe, data),
        max_length=None,
    )
    lora = LoraConfig(
        r=recipe["rank"],
        lora_alpha=recipe["alpha"],
        target_modules="all-linear",
        task_type="SEQ_CLS",
        modules_to_save=["score"],
    )
    trainer = Reward(
        model,
        args=config,
        train_dataset=data.train,
        eval_dataset=data.validation,
        processing_class=tokenizer,
        peft_config=lora,
        callbacks=[Metrics(run, NAMES)],
    )
    trainer.run, trainer.stop, trainer.keep = run, stop, recipe["keep"]
    return kept_in_folder.run_through(trainer, run, recipe, tokenizer, data.counts, resume=resume, speaks=False)


def main() -> int:
    return kept_in_folder.command_line(__doc__ or "", train)


if __name__ == "__main__":
    sys.exit(main())
