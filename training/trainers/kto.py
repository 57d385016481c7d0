"""Trains a policy by single verdicts: what it said, and whether a physician found it right.

python -m training.trainers.kto RUN [--resume]

KTO (arXiv 2402.01306) by TRL's KTOTrainer. data.jsonl: rows of a snapshot's kto.jsonl {"prompt", "completion",
"label", "weight", "split"}. config.json as in grpo.py. A batch on the device has at least two rows: the method's KL
term pairs each prompt with its neighbour's answer.
"""

from __future__ import annotations

import sys
from typing import Any

from datasets import Dataset
from trl import KTOConfig, KTOTrainer

from training.rundir import RunDir, RunFolderError
from training.trainers import examples, kept_in_folder
from training.trainers.kept_in_folder import COMMON, KeptInFolder, Metrics, Stop
from training.trainers.pairs import Prepared

DEFAULTS: dict[str, Any] = {**COMMON, "steps": 100, "lr": 5e-5, "batch": 8, "micro": 4, "max_length": 2048, "beta": 0.1}
NAMES = {
    "loss": "loss", "grad_norm": "grad_norm", "learning_rate": "lr", "eval_loss": "val_loss", "kl": "kl",
    "rewards/margins": "margin", "rewards/chosen": "reward_good", "rewards/rejected": "reward_bad",
}  # fmt: skip


class Kto(KeptInFolder, Prepared, KTOTrainer):
    """TRL's, on token ids of ours."""


def train(run: RunDir, resume: bool, stop: Stop) -> int:
    recipe = {**DEFAULTS, **run.config["recipe"]}
    if recipe["micro"] < 2:
        raise RunFolderError("KTO needs at least two rows at once (micro).")
    model, tokenizer, lora = kept_in_folder.load(recipe)

    def example(row: dict[str, Any]) -> dict[str, Any]:
        found = examples.said(tokenizer, row["prompt"], row["completion"], recipe["max_length"])
        return {"prompt_ids": found.prompt, "completion_ids": found.answer, "label": bool(row["label"])}

    data = examples.read(run, example, count=recipe["steps"] * recipe["batch"], seed=run.config["seeds"]["order"])
    config = KTOConfig(
        **kept_in_folder.arguments(recipe, run, run.config["seeds"]),
        **{**kept_in_folder.batches(recipe, data), "eval_strategy": "no"},
        beta=recipe["beta"],
        max_length=recipe["max_length"],
    )
    trainer = Kto(
        model,
        args=config,
        train_dataset=mismatched(data.train, recipe["micro"]),
        processing_class=tokenizer,
        peft_config=lora,
        callbacks=[Metrics(run, NAMES)],
    )
    trainer.run, trainer.stop, trainer.keep = run, stop, recipe["keep"]
    return kept_in_folder.run_through(trainer, run, recipe, tokenizer, data.counts, resume=resume)


def mismatched(rows: Dataset, at_once: int) -> Dataset:
    """The same rows, each with its neighbour's answer within its batch: what the KL term is estimated from."""

    def rotate(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        answers = batch["completion_ids"]
        return {"KL_completion_ids": [answers[-1], *answers[:-1]]}

    return rows.map(rotate, batched=True, batch_size=at_once)


def main() -> int:
    return kept_in_folder.command_line(__doc__ or "", train)


if __name__ == "__main__":
    sys.exit(main())
