"""Trains a policy by preferences: the correction against what it said, one consultation against another.

python -m training.trainers.dpo RUN [--resume]

DPO (arXiv 2305.18290) by TRL's DPOTrainer, log-probs of the assistant's tokens only. data.jsonl: rows of a snapshot's
dpo.jsonl {"prompt", "chosen", "rejected", "weight", "split"}. config.json as in grpo.py.
"""

from __future__ import annotations

import sys
from typing import Any

from trl import DPOConfig, DPOTrainer

from training.rundir import RunDir
from training.trainers import examples, kept_in_folder
from training.trainers.kept_in_folder import COMMON, KeptInFolder, Metrics, Stop
from training.trainers.pairs import PairsOfAssistant, Prepared

DEFAULTS: dict[str, Any] = {**COMMON, "steps": 100, "lr": 5e-5, "batch": 8, "micro": 2, "max_length": 2048, "beta": 0.1}
NAMES = {
    "loss": "loss", "grad_norm": "grad_norm", "learning_rate": "lr", "eval_loss": "val_loss", "entropy": "entropy",
    "rewards/accuracies": "preferred", "rewards/margins": "margin", "rewards/chosen": "reward_chosen",
    "rewards/rejected": "reward_rejected",
}  # fmt: skip


class Dpo(KeptInFolder, Prepared, DPOTrainer):
    """TRL's, on token ids and masks of ours."""


def train(run: RunDir, resume: bool, stop: Stop) -> int:
    recipe = {**DEFAULTS, **run.config["recipe"]}
    model, tokenizer, lora = kept_in_folder.load(recipe)

    def example(row: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for side in ("chosen", "rejected"):
            found = examples.said(tokenizer, row["prompt"], row[side], recipe["max_length"])
            made |= {"prompt_ids": found.prompt, f"{side}_ids": found.answer, f"{side}_kept": found.kept}
        return made

    data = examples.read(run, example, count=recipe["steps"] * recipe["batch"], seed=run.config["seeds"]["order"])
    config = DPOConfig(
        **kept_in_folder.arguments(recipe, run, run.config["seeds"]),
        **kept_in_folder.batches(recipe, data),
        beta=recipe["beta"],
        max_length=None,
    )
    trainer = Dpo(
        model,
        args=config,
        data_collator=PairsOfAssistant(pad_token_id=kept_in_folder.pad_of(tokenizer)),
        train_dataset=data.train,
        eval_dataset=data.validation,
        processing_class=tokenizer,
        peft_config=lora,
        callbacks=[Metrics(run, NAMES)],
    )
    trainer.run, trainer.stop, trainer.keep = run, stop, recipe["keep"]
    return kept_in_folder.run_through(trainer, run, recipe, tokenizer, data.counts, resume=resume)


def main() -> int:
    return kept_in_folder.command_line(__doc__ or "", train)


if __name__ == "__main__":
    sys.exit(main())
