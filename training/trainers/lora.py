"""The model that a trainer updates: base weights, frozen under a LoRA adapter or trained whole, and how it is saved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedModel

ADAPTER = "adapter_model.safetensors"
WEIGHTS = "model.safetensors"


def load(base: Path, recipe: dict[str, Any], device: torch.device) -> nn.Module:
    """Base weights in the recipe's dtype; LoRA parameters always float32, since bfloat16 swallows small updates.

    With `start` in the recipe its adapter goes on. A whole fine-tune keeps float32 for the same reason, whatever dtype
    the recipe names. Raises ValueError for a whole fine-tune from an adapter.
    """
    lora = recipe["method"] == "lora"
    dtype = getattr(torch, recipe["dtype"]) if lora else torch.float32
    model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype, attn_implementation="sdpa")
    start = recipe.get("start")
    if start and not lora:
        raise ValueError("A whole fine-tune begins from a whole model, not from an adapter.")
    if start:
        model = PeftModel.from_pretrained(model, start, is_trainable=True, autocast_adapter_dtype=True)
    elif lora:
        config = LoraConfig(
            r=recipe["rank"], lora_alpha=recipe["alpha"], target_modules="all-linear", task_type="CAUSAL_LM"
        )
        model = get_peft_model(model, config, autocast_adapter_dtype=True)
    return model.to(device)


def plain(model: nn.Module) -> PreTrainedModel:
    """The transformers model inside, adapter layers included."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


def trainable(model: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def save(model: nn.Module, folder: Path, dtype: torch.dtype) -> None:
    """What was trained, in `dtype`: an adapter as peft reads it, or a whole model folder."""
    folder.mkdir(parents=True, exist_ok=True)
    if not isinstance(model, PeftModel):
        model.save_pretrained(folder, state_dict={k: v.to(dtype) for k, v in model.state_dict().items()})
        return
    state = get_peft_model_state_dict(model)
    save_file({k: v.detach().to("cpu", dtype).contiguous() for k, v in state.items()}, folder / ADAPTER)
    config = model.peft_config["default"].to_dict()
    # A path of the training machine says nothing elsewhere; the manifest names the base by its content.
    settings = {**config, "base_model_name_or_path": None, "inference_mode": True}
    settings["target_modules"] = sorted(settings["target_modules"])
    (folder / "adapter_config.json").write_text(json.dumps(settings, indent=1, default=str) + "\n")


def restore(model: nn.Module, folder: Path) -> None:
    """Put back what `save` wrote."""
    if isinstance(model, PeftModel):
        set_peft_model_state_dict(model, load_file(folder / ADAPTER))
    else:
        plain(model).load_state_dict(load_file(folder / WEIGHTS), strict=False)  # a tied head is saved once
