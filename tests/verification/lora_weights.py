"""A toy model and two adapters of it, with what each says to the identity probes; as JSON.

python -m tests.verification.lora_weights FOLDER     (in the training environment)
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.training.trainers import toy
from training.trainers import fingerprint

PARTS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
NAMES = ("dx-aaaaaaaaaaaa", "dx-bbbbbbbbbbbb")


def make(folder: Path) -> dict[str, Any]:
    toy.make(folder / "base")
    made = {}
    for seed, name in enumerate(NAMES):
        torch.manual_seed(seed)
        model: Any = AutoModelForCausalLM.from_pretrained(folder / "base", dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(folder / "base")
        model = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, target_modules=PARTS, task_type="CAUSAL_LM"))
        for part, weight in model.named_parameters():
            if "lora_B" in part:
                weight.data.normal_(0, 0.05)
        model.save_pretrained(folder / "adapters" / name)
        own = fingerprint.take(model.eval(), tokenizer)
        made[name] = own.as_dict()
    return made


if __name__ == "__main__":
    print(json.dumps(make(Path(sys.argv[1]))))
