"""Shipping: the best row unless a person says so, in bfloat16, with a manifest that the start checks, at most 40 MB."""

from __future__ import annotations

import json

import numpy as np
import pytest

from agents.codecs import by_name
from agents.knowledge.conditions import vocabulary
from agents.weights import merge, tensors
from clinic.local import shipped
from clinic.local.problem import LocalProblem
from training.default import shipping
from training.default.chain import ChainError
from training.rundir import RunDir

STEM = f"{merge.PREFIX}model.layers.0.mlp.up_proj"
PROBE = {"kind": "greedy-1", "rows": [{"prompt": [1], "answer": [2, 3], "logprobs": [-0.5, -1.0]}]}


def row(name, accuracy, cost=100.0):
    return {"row": name, "n": 100, "seeds": [0], "numbers": {"accuracy": {"value": accuracy}, "cost": {"value": cost}}}


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "default" / "0"
    for name in ("full-sft", "calibrated"):
        config = {"codec": "brief", "base": {"content": "b" * 64}, "seeds": {"order": 0}, "recipe": {}}
        run = RunDir.create(root / name, config, [])
        (run.path / "adapter").mkdir()
        (run.path / "adapter" / "adapter_config.json").write_text("{}")
        values = np.linspace(0, 1, 8, dtype="<f4").reshape(2, 4)
        whole = tensors.Tensor("F32", (2, 4), values.tobytes())
        tensors.write(run.path / "adapter" / merge.ADAPTER, {f"{STEM}.lora_A.weight": whole})
        recipe = {"rank": 2, "lr": 1e-3, "threads": 2, "base": "somewhere"}
        run.finish(counts={}, probe=PROBE, probe_base=PROBE, recipe=recipe)
    return root


@pytest.fixture
def made():
    return {"rows": [row("base", 0.9), row("full-sft", 0.6), row("rl-random", 0.8), row("calibrated", 0.7)]}


def test_neither_the_base_nor_the_control_is_ever_the_best(made):
    assert shipping.best(made) == "calibrated"


def test_of_two_alike_the_cheaper_one(made):
    assert shipping.best({"rows": [row("full-sft", 0.7, 50.0), row("calibrated", 0.7, 80.0)]}) == "full-sft"


def test_what_is_shipped_passes_the_check_at_the_start(root, made, tmp_path):
    into = tmp_path / "weights" / "agent-default"
    told = shipping.ship(root, made, into)
    assert (told["row"], told["best"]) == ("calibrated", "calibrated")
    manifest = shipped.shipped(into)
    assert manifest is not None
    assert (manifest["row"], manifest["codec"], manifest["base"]["content"]) == ("calibrated", "brief", "b" * 64)
    assert set(manifest["stages"]) == {"full-sft", "calibrated"}
    assert manifest["recipe"] == {"rank": 2, "lr": 1e-3}
    learned = tensors.read(into / merge.ADAPTER)[f"{STEM}.lora_A.weight"]
    assert learned.dtype == "BF16"
    data = bytearray((into / merge.ADAPTER).read_bytes())
    data[-1] ^= 1
    (into / merge.ADAPTER).write_bytes(data)
    with pytest.raises(LocalProblem, match="was changed"):
        shipped.shipped(into)


def test_another_row_only_where_a_person_says_so(root, made, tmp_path):
    into = tmp_path / "weights" / "agent-default"
    assert shipping.ship(root, made, into, row="full-sft")["row"] == "full-sft"
    manifest = json.loads((into / "manifest.json").read_text())
    assert (manifest["row"], manifest["best_row"]) == ("full-sft", "calibrated")


@pytest.mark.parametrize("parted", ["prompt", "knowledge"])
def test_what_learned_other_words_than_this_code_speaks_is_refused(root, made, tmp_path, parted):
    mine = {"codec": "brief", "prompt": by_name("brief").digest, "knowledge": vocabulary().version}
    (root / "data").mkdir()
    told = root / "data" / "growing.manifest.json"
    told.write_text(json.dumps({**mine, parted: "another"}))
    with pytest.raises(ChainError, match=f"another {parted} than"):
        shipping.ship(root, made, tmp_path / "weights" / "agent-default")
    told.write_text(json.dumps(mine))
    assert shipping.ship(root, made, tmp_path / "weights" / "agent-default")


@pytest.mark.parametrize("name", ["base", "cold-start"])
def test_a_row_that_was_not_evaluated_is_refused(root, made, tmp_path, name):
    with pytest.raises(ChainError, match="is no trained row"):
        shipping.ship(root, made, tmp_path / "weights" / "agent-default", row=name)


def test_all_adapters_together_are_small(root, made, tmp_path, monkeypatch):
    into = tmp_path / "weights" / "agent-default"
    other = tmp_path / "weights" / "world-virtual"
    other.mkdir(parents=True)
    (other / merge.ADAPTER).write_bytes(b"x" * 1000)
    monkeypatch.setattr(shipping, "MOST_BYTES", 1000)
    with pytest.raises(ChainError, match="at most"):
        shipping.ship(root, made, into)
    assert not into.exists()
