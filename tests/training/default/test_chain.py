"""The chain: whole stages are skipped, a killed one goes on to the same result, other inputs are refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.default.counting import chain
from training.default import folders
from training.default.chain import ChainError

ROOT = Path(__file__).resolve().parents[3]


def contents(root):
    return {path.parent.name: folders.content(path.parent) for path in root.glob("0/*/manifest.json")}


def killed_after(root, lines):
    """Runs the chain in a process of its own and kills it with SIGKILL after so many steps."""
    program = [sys.executable, "-m", "tests.training.default.counting", str(root)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(program, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    for _ in range(lines):
        assert process.stdout.readline()
    process.kill()
    process.wait()


def test_a_chain_that_is_killed_twice_makes_what_an_undisturbed_one_makes(tmp_path):
    killed_after(tmp_path / "killed", 3)
    assert not contents(tmp_path / "killed")
    killed_after(tmp_path / "killed", 9)
    assert "first" in contents(tmp_path / "killed")
    assert "last" not in contents(tmp_path / "killed")
    chain(tmp_path / "killed", pause=0.05).make()
    chain(tmp_path / "whole", pause=0.05).make()
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    assert len(contents(tmp_path / "whole")) == 4


def test_whole_stages_are_not_made_again(tmp_path):
    first = chain(tmp_path).make()
    made = chain(tmp_path)
    for stage in made.stages.values():
        object.__setattr__(stage, "make", None)  # calling it would fail
    assert [done["content"] for done in made.make()] == [done["content"] for done in first]


def test_one_stage_brings_those_it_needs(tmp_path):
    assert [done["stage"] for done in chain(tmp_path).make("second")] == ["first", "second"]
    with pytest.raises(ChainError, match="No stage 'third'"):
        chain(tmp_path).make("third")


def test_other_settings_are_refused(tmp_path):
    chain(tmp_path).make("first")
    with pytest.raises(ChainError, match="made from other settings"):
        chain(tmp_path, weight=2).make("first")


def test_another_result_before_it_is_refused(tmp_path):
    chain(tmp_path).make("second")
    manifest = tmp_path / "0" / "first" / "manifest.json"
    told = json.loads(manifest.read_text())
    told["files"]["result.json"] = "0" * 64
    manifest.write_text(json.dumps(told))
    with pytest.raises(ChainError, match="second was made from other stages before it"):
        chain(tmp_path).make("second")


def test_a_folder_whose_making_broke_off_is_made_anew(tmp_path):
    folder = tmp_path / "broken" / "0" / "first"
    folder.mkdir(parents=True)
    (folder / "data.jsonl").write_text("{}\n")
    made, whole = chain(tmp_path / "broken").make("first")[0], chain(tmp_path / "whole").make("first")[0]
    assert made["content"] == whole["content"]


def test_a_stage_that_leaves_no_manifest_is_an_error(tmp_path):
    made = chain(tmp_path)
    object.__setattr__(made.stages["first"], "make", lambda work: None)
    with pytest.raises(ChainError, match="without a manifest"):
        made.make("first")


def test_times_and_paths_are_no_content(tmp_path):
    chain(tmp_path).make("first")
    folder = tmp_path / "0" / "first"
    before = folders.content(folder)
    told = folders.manifest(folder)
    for name in ("log.txt", "metrics.jsonl", "config.json", "checkpoints/step-6/total"):
        (folder / "manifest.json").write_text(json.dumps({**told, "files": {**told["files"], name: "1" * 64}}))
        assert folders.content(folder) == before
