"""What the trainers' own reading of rows does, printed as JSON: it needs the training environment's packages."""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from types import SimpleNamespace
from typing import Any

import torch
from transformers import AutoTokenizer

from tests.training.trainers import toy
from training.trainers import examples, grpo
from training.trainers.dialogue import BadDialogue, encode
from training.trainers.grpo_batch import collapsed
from training.trainers.pairs import PairsOfAssistant


def check(base: str) -> dict[str, Any]:
    tokenizer = AutoTokenizer.from_pretrained(base)
    messages = toy.workup(toy.records(1)[0], "Vital signs")
    found = encode(tokenizer, messages)
    pair = examples.said(tokenizer, messages[:2], messages[2:], 1000)
    single = {"prompt_ids": pair.prompt, **{f"{s}_ids": pair.answer for s in ("chosen", "rejected")}}
    masks = {f"{s}_kept": pair.kept for s in ("chosen", "rejected")}
    batch = PairsOfAssistant(pad_token_id=0)([{**single, **masks}])
    at = batch["completion_mask"][0].bool()
    return {
        "learned": tokenizer.decode(found.ids[found.kept]),
        "said": [m["content"] for m in messages if m["role"] == "assistant"],
        "pair_learned": tokenizer.decode(batch["input_ids"][0][at]),
        "nothing": _refused(lambda: encode(tokenizer, messages[:2])),
        "drawn": _drawn(),
        "collapse": _collapse(),
        "watch": _watch(),
        "told": _told(),
    }


def _refused(attempt: Any) -> str:
    try:
        attempt()
    except BadDialogue as problem:
        return str(problem)
    return ""


def _drawn() -> dict[str, Any]:
    rows = [({"n": n}, weight) for n, weight in enumerate((1.0, 1.0, 0.5, 0.25))]
    first, again = (examples.drawn(rows, 110, seed=1) for _ in range(2))
    return {"counts": dict(sorted(Counter(row["n"] for row in first).items())), "same": first == again}


def _collapse() -> list[str | None]:
    good = {"malformed": 0.1, "entropy": 0.5, "exam_rate": 0.5}
    limits = {"patience": 3, "malformed": 0.9, "entropy": 0.01}
    lost = ({"malformed": 0.95}, {"entropy": 0.001}, {"exam_rate": 0.0})
    return [collapsed([good] * 5, **limits)] + [collapsed([good] + [{**good, **bad}] * 3, **limits) for bad in lost]


def _watch() -> list[str | None]:
    """Why a run would end, after each of two lines that TRL logged; no run folder is asked."""
    limits = {"malformed_limit": 0.9, "entropy_limit": 0.01, "patience": 3}
    watch, lost = grpo.CollapseWatch(limits), [{"malformed": 0.95, "entropy": 0.5}] * 3
    found = []
    for lines in (lost[:2], [*lost, {"train_runtime": 1.0}]):
        watch.on_log(None, SimpleNamespace(log_history=lines), SimpleNamespace())
        found.append(watch.reason)
    return found


def _told() -> dict[str, list[float]]:
    """What is logged where this process has a reward and the other has none."""
    names = sorted({*grpo.WATCHED, "reward_accuracy"})
    other = torch.tensor([[5.0 if name == "turns" else float("nan") for name in names]])
    trainer = SimpleNamespace(
        clinic=SimpleNamespace(parts=["reward_accuracy"]),
        accelerator=SimpleNamespace(device="cpu", gather=lambda mine: torch.cat([mine, other])),
        _metrics={"train": defaultdict(list)},
    )
    grpo.Grpo._tell(trainer, {"reward": 1.0, "turns": 1.0})
    return dict(trainer._metrics["train"])


if __name__ == "__main__":
    print(json.dumps(check(sys.argv[1])))
