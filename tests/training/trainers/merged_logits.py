"""Prints how far the logits of merged weights are from those of base plus adapter under peft."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from agents.weights.merge import merge
from tests.training.trainers import tiny


def main(folder: Path) -> dict[str, float]:
    base, adapter, out = folder / "base", folder / "adapter", folder / "merged"
    tiny.make(base)
    bare = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
    bare.save_pretrained(base)  # bfloat16 on disk, as the default weights are
    model = get_peft_model(bare, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM"))
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    model.save_pretrained(adapter)
    merge(adapter, base, out)
    ids = torch.arange(3, 60)[None]
    plain, merged = (AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32) for path in (base, out))
    with torch.no_grad():
        before = plain(ids).logits.clone()
        wanted = PeftModel.from_pretrained(plain, adapter)(ids).logits
        found = merged(ids).logits
    return {
        "difference": float((wanted - found).abs().max()),
        "adapter_changes": float((wanted - before).abs().max()),
        "largest_logit": float(wanted.abs().max()),
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
