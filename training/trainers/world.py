"""Trains a language world model: log-likelihood of examination results given profile and history.

python -m training.trainers.world RUN [--resume] [--steps N] [--threads N] [--evaluate ADAPTER]

After DiagGym (arXiv 2510.24654; system.md 1.4). Simpler than the paper: one process, LoRA by default, no DeepSpeed.
Different on purpose: the loss mask is named in the recipe, over-long documents lose their oldest events and never
the profile, and the head is computed on the kept tokens only (49k words times every token is most of the memory).

RUN is a run folder (training/rundir.py) whose data.jsonl comes from `python -m training.worlds build`. Its recipe:

base, start (an adapter it goes on from), method lora|full, rank, alpha, mask results|events, dtype, lr, warmup (steps),
schedule cosine|constant, decay (last steps of a constant schedule, linear to 0), steps, step_tokens, micro_tokens,
max_length, clip, eval_every, eval_rows, checkpoint_minutes, keep, threads. Seeds: order (data), model (adapter and
dropout).

SIGTERM writes a STABLE checkpoint of the last whole step and exits 143; --resume goes on from the newest one.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import AutoTokenizer

from training.rundir import RunDir, RunFolderError, write_json
from training.trainers import lora
from training.trainers.documents import (
    Document,
    Order,
    Row,
    fitted,
    micro_batches,
    shuffled,
    step_of,
    unigram_loss,
)

DEFAULTS: dict[str, Any] = {
    "method": "lora",
    "rank": 16,
    "alpha": 32,
    "mask": "results",
    "dtype": "float32",
    "lr": 1e-3,
    "warmup": 10,
    "schedule": "cosine",
    "decay": 0,
    "step_tokens": 2048,
    "micro_tokens": 2048,
    "max_length": 2048,
    "clip": 1.0,
    "eval_every": 50,
    "eval_rows": 8,
    "checkpoint_minutes": 5,
    "keep": 3,
    "threads": 2,
}
STOPPED = 143
PROBES = 4


class Stopped(Exception):
    """SIGTERM came; the step under way is dropped."""


class Trainer:
    """One run: model, optimizer, place in the data, step."""

    def __init__(self, run: RunDir, **overrides: int | None) -> None:
        self.run = run
        self.recipe = {**DEFAULTS, **run.config["recipe"], **{k: v for k, v in overrides.items() if v}}
        self.seeds = run.config["seeds"]
        self.stopping = False
        torch.set_num_threads(self.recipe["threads"])
        torch.manual_seed(self.seeds["model"])
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.tokenizer = AutoTokenizer.from_pretrained(self.recipe["base"])
        self.model = lora.load(Path(self.recipe["base"]), self.recipe, self.device)
        self.optimizer = torch.optim.AdamW(
            lora.trainable(self.model), lr=self.recipe["lr"], betas=(0.9, 0.99), weight_decay=0.0
        )
        self.step = 0
        self.tokens = 0
        self.order = Order(self.seeds["order"])
        self._read(run)

    def _read(self, run: RunDir) -> None:
        rows: dict[str, list[Row]] = {"train": [], "validation": []}
        for row in run.rows():
            rows.setdefault(row["split"], []).append(row)
        self.train, validation = rows["train"], rows["validation"][: self.recipe["eval_rows"]]
        if not (self.train and validation):
            raise RunFolderError("data.jsonl needs rows of the splits train and validation.")
        self.validation = [self.document(row, random.Random(row["id"])) for row in validation]
        self.counts = {split: len(found) for split, found in rows.items()}

    def document(self, row: Row, rng: random.Random) -> Document:
        events = shuffled(row, rng)
        return fitted(self.tokenizer, row, events, self.recipe["mask"], self.recipe["max_length"])

    def fit(self) -> None:
        """Train to the last step; raises Stopped at SIGTERM, after a STABLE checkpoint."""
        documents = self.order.documents(self.train, self.document)
        saved = time.monotonic()
        steps = self.recipe["steps"]
        with tqdm(total=steps, initial=self.step, unit="step", file=sys.stderr) as bar:
            while self.step < steps:
                line = self.update(documents)
                self.run.measured(line)
                bar.update()
                bar.set_postfix(loss=f"{line['loss']:.3f}", tok_s=f"{line['tokens_per_second']:.0f}")
                if time.monotonic() - saved > 60 * self.recipe["checkpoint_minutes"]:
                    self.save()
                    saved = time.monotonic()

    def update(self, documents: Iterator[Document]) -> dict[str, Any]:
        """One optimizer step; its line for metrics.jsonl."""
        started, before = time.monotonic(), (self.order.epoch, self.order.position)
        step = step_of(documents, self.recipe["step_tokens"])
        kept = sum(int(document.kept[1:].sum()) for document in step)
        self.model.train()
        total = 0.0
        for batch in micro_batches(step, self.recipe["micro_tokens"]):
            if self.stopping:
                self.order.epoch, self.order.position = before
                raise Stopped
            loss = self.loss(batch) / kept
            loss.backward()
            total += float(loss.detach())
        rate = learning_rate(self.step, self.recipe)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        norm = torch.nn.utils.clip_grad_norm_(lora.trainable(self.model), self.recipe["clip"])
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        tokens = sum(map(len, step))
        self.tokens += tokens
        line = {"step": self.step, "epoch": self.order.epoch, "loss": total, "lr": rate, "norm": float(norm)}
        line |= {"documents": len(step), "tokens": tokens, "kept": kept}
        line["seconds"] = round(time.monotonic() - started, 3)
        line["tokens_per_second"] = round(tokens / (time.monotonic() - started), 1)
        if self.step % self.recipe["eval_every"] == 0 or self.step == self.recipe["steps"]:
            line["val_loss"] = self.evaluate()
        return line

    def loss(self, batch: list[Document]) -> torch.Tensor:
        """Summed negative log-likelihood, in nats, of the batch's kept tokens."""
        longest = max(map(len, batch))
        ids = torch.zeros(len(batch), longest, dtype=torch.long)  # (B, T)
        real = torch.zeros(len(batch), longest, dtype=torch.long)
        kept = torch.zeros(len(batch), longest, dtype=torch.bool)
        for n, document in enumerate(batch):
            ids[n, : len(document)] = torch.from_numpy(document.ids)
            real[n, : len(document)] = 1
            kept[n, : len(document)] = torch.from_numpy(document.kept)
        ids, kept = ids.to(self.device), kept.to(self.device)
        attention = None if len(batch) == 1 else real.to(self.device)
        model = lora.plain(self.model)
        hidden = model.model(input_ids=ids, attention_mask=attention, use_cache=False).last_hidden_state  # (B, T, H)
        wanted = kept[:, 1:]  # (B, T-1) token t+1 is predicted from position t
        logits = model.lm_head(hidden[:, :-1][wanted]).float()  # (K, V)
        return torch.nn.functional.cross_entropy(logits, ids[:, 1:][wanted], reduction="sum")

    @torch.no_grad()
    def evaluate(self) -> float:
        """Nats per kept token on the validation documents."""
        self.model.eval()
        total, kept = 0.0, 0
        for batch in micro_batches(self.validation, self.recipe["micro_tokens"]):
            total += float(self.loss(batch))
            kept += sum(int(document.kept[1:].sum()) for document in batch)
        return total / kept

    def baseline(self) -> dict[str, Any]:
        """The first line of metrics: the untrained model and the unigram model on the validation documents."""
        sample = [self.document(row, random.Random(row["id"])) for row in self.train[:500]]
        words = unigram_loss(sample, self.validation, len(self.tokenizer))
        return {"step": 0, "unigram_val_loss": words, "val_loss": self.evaluate()}

    def probe(self) -> list[float]:
        """Mean log-probability of the first validation documents: a fingerprint that a server can compare with."""
        self.model.eval()
        with torch.no_grad():
            documents = self.validation[:PROBES]
            return [round(-float(self.loss([one])) / int(one.kept[1:].sum()), 4) for one in documents]

    def save(self) -> None:
        """A STABLE checkpoint of the last whole step."""
        state = {"step": self.step, "tokens": self.tokens, "epoch": self.order.epoch, "position": self.order.position}
        with self.run.checkpoint(self.step) as folder:
            lora.save(self.model, folder, torch.float32)
            torch.save(
                {"optimizer": self.optimizer.state_dict(), "rng": torch.get_rng_state()}, folder / "optimizer.pt"
            )
            write_json(folder / "state.json", state)
        self.run.keep(self.recipe["keep"])
        self.run.log(f"checkpoint at step {self.step}")

    def restore(self) -> None:
        """Go on from the newest STABLE checkpoint."""
        stable = self.run.stable()
        if not stable:
            raise RunFolderError("There is no STABLE checkpoint to resume from.")
        _, folder = stable[-1]
        lora.restore(self.model, folder)
        saved = torch.load(folder / "optimizer.pt", map_location="cpu", weights_only=True)
        self.optimizer.load_state_dict(saved["optimizer"])
        torch.set_rng_state(saved["rng"])
        state = json.loads((folder / "state.json").read_text())
        self.step, self.tokens = state["step"], state["tokens"]
        self.order = Order(self.seeds["order"], state["epoch"], state["position"])
        self.run.forget_after(self.step)
        self.run.log(f"resumed from step {self.step}")

    def finish(self) -> None:
        """adapter/ in bfloat16, then the manifest."""
        lora.save(self.model, self.run.path / "adapter", torch.bfloat16)
        self.run.log(f"finished at step {self.step}")
        counts = {"rows": self.counts, "steps": self.step, "tokens": self.tokens, "epochs": self.order.epoch}
        self.run.finish(counts=counts, probe=self.probe(), end="finished", recipe=self.recipe)


def learning_rate(step: int, recipe: dict[str, Any]) -> float:
    """Warm-up from 0, then cosine to 0, or constant with a linear end over the last `decay` steps."""
    peak, warmup, steps = float(recipe["lr"]), recipe["warmup"], recipe["steps"]
    if step < warmup:
        return peak * (step + 1) / warmup
    if recipe["schedule"] == "cosine":
        return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
    return peak * min(1.0, (steps - step) / max(1, recipe["decay"]))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m training.trainers.world", description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="run folder with config.json and data.jsonl")
    parser.add_argument("--resume", action="store_true", help="go on from the newest STABLE checkpoint")
    parser.add_argument("--steps", type=int, help="end at this step instead of the recipe's")
    parser.add_argument("--threads", type=int, help="threads of the matrix products instead of the recipe's")
    parser.add_argument("--evaluate", type=Path, help="only print the validation loss of this adapter as JSON")
    arguments = parser.parse_args()
    try:
        return train(arguments)
    except (RunFolderError, OSError, ValueError) as problem:  # BadDocument is a ValueError
        print(f"The world model could not be trained: {problem}", file=sys.stderr)  # noqa: T201
        return 1


def train(arguments: argparse.Namespace) -> int:
    run = RunDir(arguments.run)
    if arguments.evaluate:
        return evaluate(run, arguments)
    if run.metrics() and not arguments.resume:
        raise RunFolderError("This run has begun; --resume goes on from its newest STABLE checkpoint.")
    trainer = Trainer(run, steps=arguments.steps, threads=arguments.threads)
    signal.signal(signal.SIGTERM, lambda *_: setattr(trainer, "stopping", True))
    if arguments.resume:
        trainer.restore()
    else:
        run.measured(trainer.baseline())
    try:
        trainer.fit()
    except Stopped:
        trainer.save()
        run.log(f"stopped by SIGTERM after step {trainer.step}")
        return STOPPED
    trainer.save()
    trainer.finish()
    return 0


def evaluate(run: RunDir, arguments: argparse.Namespace) -> int:
    trainer = Trainer(run, threads=arguments.threads)
    lora.restore(trainer.model, arguments.evaluate)
    print(json.dumps({"val_loss": trainer.evaluate(), "documents": len(trainer.validation)}))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
