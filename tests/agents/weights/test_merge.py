"""Merged weights answer as base and adapter do, and nothing that would change the sum unseen is accepted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from agents.weights import merge as merging
from agents.weights import tensors
from agents.weights.merge import CannotMerge, merge
from tests.training.trainers.environment import in_training_environment

LAYER = "model.layers.0.self_attn.q_proj"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    rng = np.random.default_rng(1)
    weights = {
        f"{LAYER}.weight": tensors.bfloat16(rng.normal(size=(6, 4)).astype("float32")),
        "model.norm.weight": tensors.bfloat16(np.ones(4, dtype="float32")),
    }
    tensors.write(folder / "model.safetensors", weights)
    (folder / "config.json").write_text("{}")
    return folder


def make_adapter(folder: Path, **config: object) -> Path:
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(2)
    stem = f"base_model.model.{LAYER}"
    parts = {
        f"{stem}.lora_A.weight": tensors.bfloat16(rng.normal(size=(2, 4)).astype("float32")),
        f"{stem}.lora_B.weight": tensors.bfloat16(rng.normal(size=(6, 2)).astype("float32")),
    }
    tensors.write(folder / "adapter_model.safetensors", parts)
    settings = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "bias": "none", **config}
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    return folder


def test_the_sum_is_w_plus_alpha_over_r_times_b_a(base: Path, tmp_path: Path) -> None:
    adapter = make_adapter(tmp_path / "adapter")
    merge(adapter, base, tmp_path / "out")
    old, new = tensors.read(base / "model.safetensors"), tensors.read(tmp_path / "out" / "model.safetensors")
    parts = tensors.read(adapter / "adapter_model.safetensors")
    a, b = (parts[f"base_model.model.{LAYER}.lora_{x}.weight"].float32() for x in "AB")
    expected = old[f"{LAYER}.weight"].float32() + 2 * (b @ a)
    assert np.abs(new[f"{LAYER}.weight"].float32() - expected).max() <= np.abs(expected).max() * 2**-8
    assert bytes(new["model.norm.weight"].data) == bytes(old["model.norm.weight"].data)


def test_the_manifest_names_both_and_its_files(base: Path, tmp_path: Path) -> None:
    adapter = make_adapter(tmp_path / "adapter")
    manifest = merge(adapter, base, tmp_path / "out")
    assert manifest["source"]["adapter"] == merging.sha256(adapter / "adapter_model.safetensors")
    assert manifest["files"]["model.safetensors"]["sha256"] == merging.sha256(tmp_path / "out" / "model.safetensors")
    assert merge(adapter, base, tmp_path / "out") == manifest  # again: what is there


def test_a_folder_of_other_weights_is_not_overwritten(base: Path, tmp_path: Path) -> None:
    merge(make_adapter(tmp_path / "adapter"), base, tmp_path / "out")
    other = make_adapter(tmp_path / "other")
    with (other / "adapter_model.safetensors").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(CannotMerge, match="other weights"):
        merge(other, base, tmp_path / "out")


@pytest.mark.parametrize("option", ["use_dora", "modules_to_save", "rank_pattern", "fan_in_fan_out"])
def test_an_adapter_of_another_kind_is_refused(option: str, base: Path, tmp_path: Path) -> None:
    with pytest.raises(CannotMerge, match=option):
        merge(make_adapter(tmp_path / "adapter", **{option: True}), base, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_adapter_of_another_base_is_refused(base: Path, tmp_path: Path) -> None:
    adapter = make_adapter(tmp_path / "adapter")
    (adapter / "manifest.json").write_text(json.dumps({"base": {"content": "0" * 64}}))
    with pytest.raises(CannotMerge, match="trained on base 000000000000"):
        merge(adapter, base, tmp_path / "out")


def test_rounding_is_to_nearest_even() -> None:
    values = np.array([1.0, 1 + 2**-8, 1 + 3 * 2**-8, -1 - 2**-8 - 2**-20], dtype="float32")
    assert tensors.bfloat16(values).float32().tolist() == [1.0, 1.0, 1 + 2**-6, -1 - 2**-7]


def test_a_weight_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        tensors.bfloat16(np.array([np.inf], dtype="float32"))


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xff" * 64)
    with pytest.raises(ValueError, match="not a safetensors file"):
        tensors.read(tmp_path / "x")


@pytest.mark.slow
def test_merged_logits_equal_those_of_peft(tmp_path: Path) -> None:
    """The real libraries, in the training environment: a random Llama with a random adapter against its merge."""
    found = in_training_environment("tests.training.trainers.merged_logits", str(tmp_path))
    assert found["largest_logit"] > 0.1
    assert found["adapter_changes"] > 20 * found["difference"]
    assert found["difference"] < 0.02
