"""A policy that speaks the brief codec, made in seconds: half of its work-ups begin with the vital signs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from agents.codecs import BriefCodec
from agents.types import Action, ActionKind, CaseRecord, Exchange, Hypothesis
from agents.world.virtual import case_id, open_case

CASES = 4
FIRST = ("Vital signs", "Chest X-ray")
REPLY = "Nothing new."
STEPS = 240
SIZE = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}


def records(count: int = CASES) -> list[CaseRecord]:
    return [open_case(case_id("train", n)).record() for n in range(count)]


def workup(record: CaseRecord, first: str) -> list[dict[str, str]]:
    """One examination, then the right diagnosis."""
    codec, believed = BriefCodec(), (Hypothesis(record.answer, 0.6), Hypothesis("Pneumonia", 0.2))
    asked = codec.encode(Action(ActionKind.EXAMINE, first, "It is quick.", believed))
    named = codec.encode(Action(ActionKind.DIAGNOSE, record.answer, "The findings suffice.", believed))
    told = [m.as_dict() for m in codec.messages(record.inquiry(), [Exchange(asked, REPLY)])]
    return [*told, {"role": "assistant", "content": named}]


def make(folder: Path) -> None:
    """Write model, tokenizer and manifest; the same bytes each time."""
    import torch

    from training.trainers import tiny
    from training.trainers.model_folder import describe

    torch.set_num_threads(1)
    dialogues = [workup(record, first) for record in records() for first in FIRST]
    tiny.SIZE.update(SIZE)
    tokenizer = tiny.make_tokenizer(dialogues, folder)
    tiny.train(tokenizer, dialogues, folder, seed=0, steps=STEPS)
    describe(folder, model="tiny", licence="Apache-2.0", codec="brief", context=tiny.CONTEXT)


def rows(kind: str) -> list[dict[str, Any]]:
    """Feedback as a snapshot has it: who prefers the vital signs first, on every case."""
    found = []
    for n, record in enumerate(records()):
        good, bad = (workup(record, first) for first in FIRST)
        row: dict[str, Any] = {"prompt": good[:2], "weight": 1.0, "split": "train" if n < CASES - 2 else "validation"}
        if kind == "sft":
            found.append({**row, "completion": good[2:3]})
        elif kind == "dpo":
            found.append({**row, "chosen": good[2:], "rejected": bad[2:]})
        else:
            found += [{**row, "completion": one[2:3], "label": one is good} for one in (good, bad)]
    return found


if __name__ == "__main__":
    make(Path(sys.argv[1]))
