"""The shipped agent: the default where it lies there whole, refused where a byte was changed, merged at first start."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from agents.weights import merge, tensors
from clinic.local import default_model, shipped, weights
from clinic.local.problem import LocalProblem

LAYER = "model.layers.0.mlp.up_proj"
CONFIG = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "bias": "none"}


def _digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def base(tmp_path, monkeypatch):
    folder = tmp_path / "weights" / "base-abc"
    folder.mkdir(parents=True)
    tensors.write(folder / merge.WEIGHTS, {f"{LAYER}.weight": tensors.bfloat16(np.ones((3, 4), dtype=np.float32))})
    (folder / "config.json").write_text("{}")
    weights.write_manifest(folder)
    return folder


@pytest.fixture
def adapter(tmp_path, base, monkeypatch):
    folder = tmp_path / "agent-default"
    folder.mkdir()
    stem = f"{merge.PREFIX}{LAYER}"
    pair = {
        f"{stem}.lora_A.weight": tensors.bfloat16(np.full((2, 4), 0.5, dtype=np.float32)),
        f"{stem}.lora_B.weight": tensors.bfloat16(np.full((3, 2), 0.25, dtype=np.float32)),
    }
    tensors.write(folder / merge.ADAPTER, pair)
    (folder / "adapter_config.json").write_text(json.dumps(CONFIG))
    files = {name: _digest(folder / name) for name in (merge.ADAPTER, "adapter_config.json")}
    told = {"files": files, "content": "d" * 64, "codec": "cards", "base": {"content": merge.content(base)}}
    (folder / "manifest.json").write_text(json.dumps(told))
    monkeypatch.setattr(shipped, "ADAPTER", folder)
    monkeypatch.delenv("ROUNDS_MODEL", raising=False)
    return folder


def test_the_shipped_agent_is_the_default(adapter):
    assert default_model.chosen() is default_model.SHIPPED


def test_without_an_adapter_the_base_is_the_default(adapter):
    (adapter / "manifest.json").unlink()
    assert default_model.chosen() is default_model.SMOLLM


@pytest.mark.parametrize(("name", "model"), [("smollm2", default_model.SMOLLM), ("tiny", default_model.TINY)])
def test_another_model_can_be_asked_for(adapter, monkeypatch, name, model):
    monkeypatch.setenv("ROUNDS_MODEL", name)
    assert default_model.chosen() is model


@pytest.mark.parametrize("name", [merge.ADAPTER, "adapter_config.json"])
def test_a_changed_byte_is_refused(adapter, name):
    path = adapter / name
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(LocalProblem, match=f"{name} was changed"):
        default_model.chosen()


def test_a_missing_file_is_refused(adapter):
    (adapter / merge.ADAPTER).unlink()
    with pytest.raises(LocalProblem, match="is missing"):
        default_model.chosen()


def test_it_is_merged_once_and_named_by_the_adapter(adapter, base):
    into = base.parent
    assert default_model.SHIPPED.find(into) is None
    folder = shipped.make(into)
    assert default_model.SHIPPED.find(into) == folder
    assert default_model.version_of(folder) == folder.name == f"dx-{'d' * 12}"
    assert default_model.version_of(base).startswith("dx-base-")
    merged = tensors.read(folder / merge.WEIGHTS)[f"{LAYER}.weight"].float32()
    # 1 + alpha/r * sum over r of 0.25 * 0.5
    assert merged == pytest.approx(1 + 2 * 2 * 0.125)
    assert shipped.make(into) == folder


def test_another_base_is_refused(adapter, base):
    told = json.loads((adapter / "manifest.json").read_text())
    (adapter / "manifest.json").write_text(json.dumps({**told, "base": {"content": "e" * 64}}))
    with pytest.raises(LocalProblem, match="could not be merged"):
        shipped.make(base.parent)


def test_steps_begin_with_what_is_missing(adapter, base, tmp_path):
    (merging,) = default_model.SHIPPED.steps(base.parent)
    assert merging.command[-3:] == ("-m", "clinic.local.shipped", str(base.parent))
    assert merging.in_rounds
    steps = default_model.SHIPPED.steps(tmp_path / "empty")
    assert [step.command[-1] for step in steps] == [str(tmp_path / "empty")] * 2
    assert steps[0].command[1] == weights.__file__


def test_runs_find_the_adapter_of_the_shipped_version(adapter):
    assert shipped.adapter_of(f"dx-{'d' * 12}") == adapter
    assert shipped.adapter_of("dx-other") is None
