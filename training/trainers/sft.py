"""Trains a policy to say what physicians approved or put in its place.

python -m training.trainers.sft RUN [--resume]   (several processes: accelerate launch -m training.trainers.sft RUN)

Token likelihood by TRL's SFTTrainer, on the assistant's tokens only. data.jsonl: rows of a snapshot's sft.jsonl
{"prompt", "completion", "weight", "split"}. config.json as in grpo.py; settings are DEFAULTS below, base and start.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from trl import SFTConfig, SFTTrainer

from training.rundir import RunDir
from training.trainers import examples, kept_in_folder, lora
from training.trainers.kept_in_folder import COMMON, KeptInFolder, Metrics, Stop

DEFAULTS: dict[str, Any] = {**COMMON, "steps": 100, "lr": 1e-4, "batch": 8, "micro": 4, "max_length": 2048}
NAMES = {
    "loss": "loss", "grad_norm": "grad_norm", "learning_rate": "lr", "entropy": "entropy", "eval_loss": "val_loss",
    "mean_token_accuracy": "token_accuracy",
}  # fmt: skip


class Sft(KeptInFolder, SFTTrainer):
    """TRL's, keeping the run folder's promises."""

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """As TRL's, the head computed on the assistant's tokens alone.

        TRL's fused head leaves the others out on a GPU only; on a CPU it multiplies each of them by 49k words, three
        times with the way back, although four of five tokens of a consultation carry no loss.
        """
        if return_outputs or torch.cuda.is_available() or self.accelerator.num_processes > 1:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        plain, labels = lora.plain(model), inputs["labels"][:, 1:]  # (B, T-1)
        kept = labels != -100
        told = plain.model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], use_cache=False)
        logits = plain.lm_head(told.last_hidden_state[:, :-1][kept]).float()  # (K, V)
        wanted = labels[kept]
        mode = "train" if self.model.training else "eval"
        right = (logits.detach().argmax(-1) == wanted).float().mean()
        self._metrics[mode]["mean_token_accuracy"].append(float(right))
        total = torch.nn.functional.cross_entropy(logits, wanted, reduction="sum")
        return total / (kept.sum() if num_items_in_batch is None else num_items_in_batch)


def train(run: RunDir, resume: bool, stop: Stop) -> int:
    recipe = {**DEFAULTS, **run.config["recipe"]}
    model, tokenizer, lora = kept_in_folder.load(recipe)

    def example(row: dict[str, Any]) -> dict[str, Any]:
        found = examples.said(tokenizer, row["prompt"], row["completion"], recipe["max_length"])
        labels = [token if kept else -100 for token, kept in zip(found.answer, found.kept, strict=True)]
        return {"input_ids": found.prompt + found.answer, "labels": [-100] * len(found.prompt) + labels}

    data = examples.read(run, example, count=recipe["steps"] * recipe["batch"], seed=run.config["seeds"]["order"])
    config = SFTConfig(
        **kept_in_folder.arguments(recipe, run, run.config["seeds"]),
        **kept_in_folder.batches(recipe, data),
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=recipe["max_length"],
    )
    trainer = Sft(
        model,
        args=config,
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
