"""What a run folder promises: data as hashed, checkpoints only when STABLE, a manifest of everything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from training.rundir import STABLE, RunDir, RunFolderError, sha256


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    config = {"trainer": "toy", "recipe": {"lr": 0.1}, "seeds": {"order": 1}}
    return RunDir.create(tmp_path / "run", config, [{"id": "a"}, {"id": "b"}])


def save(run: RunDir, step: int, text: str = "weights") -> Path:
    with run.checkpoint(step) as folder:
        (folder / "weights").write_text(text)
    return folder


def test_config_holds_recipe_seeds_and_provenance(run: RunDir) -> None:
    config = run.config
    assert config["recipe"] == {"lr": 0.1}
    assert config["snapshot"] == sha256(run.path / "data.jsonl")
    assert {"commit", "python", "packages", "machine"} <= set(config["provenance"])


def test_rows_are_read_back(run: RunDir) -> None:
    assert [row["id"] for row in run.rows()] == ["a", "b"]


def test_changed_data_is_refused(run: RunDir) -> None:
    with (run.path / "data.jsonl").open("a") as file:
        file.write('{"id": "c"}\n')
    with pytest.raises(RunFolderError, match="changed"):
        run.rows()


def test_a_folder_in_use_is_not_overwritten(run: RunDir) -> None:
    with pytest.raises(RunFolderError, match="not empty"):
        RunDir.create(run.path, {}, [])


def test_a_folder_without_config_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="no config"):
        RunDir(tmp_path)


def test_metrics_are_one_line_a_step(run: RunDir) -> None:
    for step in (1, 2, 3):
        run.measured({"step": step, "loss": 1 / step})
    run.forget_after(2)
    assert [line["step"] for line in run.metrics()] == [1, 2]


def test_checkpoints_are_listed_oldest_first(run: RunDir) -> None:
    for step in (2, 10, 9):
        save(run, step)
    assert [step for step, _ in run.stable()] == [2, 9, 10]


def test_a_checkpoint_without_the_marker_does_not_count(run: RunDir) -> None:
    save(run, 1)
    with pytest.raises(RuntimeError, match="killed"):
        save_half(run, 2)
    assert [step for step, _ in run.stable()] == [1]
    assert not (run.path / "checkpoints" / "step-2" / STABLE).exists()


def save_half(run: RunDir, step: int) -> None:
    with run.checkpoint(step) as folder:
        (folder / "weights").write_text("half")
        raise RuntimeError("killed while writing")


@pytest.mark.parametrize("damage", ["altered", "gone"])
def test_a_damaged_checkpoint_is_refused_not_skipped(run: RunDir, damage: str) -> None:
    save(run, 1)
    folder = save(run, 2)
    if damage == "gone":
        (folder / "weights").unlink()
    else:
        (folder / "weights").write_text("other")
    with pytest.raises(RunFolderError, match="damaged"):
        run.stable()


def test_keep_deletes_the_older_ones(run: RunDir) -> None:
    for step in range(1, 6):
        save(run, step)
    run.keep(2)
    assert [step for step, _ in run.stable()] == [4, 5]


def test_the_manifest_hashes_everything(run: RunDir) -> None:
    run.measured({"step": 1})
    run.log("began")
    folder = save(run, 1)
    (run.path / "adapter").mkdir()
    (run.path / "adapter" / "weights").write_text("final")
    manifest = run.finish(counts={"rows": 2, "dropped": 0}, probe=[-1.5])
    assert json.loads((run.path / "manifest.json").read_text()) == manifest
    names = {"config.json", "data.jsonl", "metrics.jsonl", "log.txt", "adapter/weights", "checkpoints/step-1/weights"}
    assert set(manifest["files"]) == names | {"checkpoints/step-1/STABLE"}
    assert manifest["files"]["checkpoints/step-1/weights"] == sha256(folder / "weights")
    assert manifest["snapshot"] == sha256(run.path / "data.jsonl")
    assert manifest["counts"] == {"rows": 2, "dropped": 0}


def test_a_line_that_a_killed_trainer_half_wrote_does_not_keep_it_from_going_on(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path / "run", {}, [])
    run.measured({"step": 1})
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 2, "lo')
    assert run.metrics() == [{"step": 1}]
    run.forget_after(1)
    run.measured({"step": 2})
    assert [line["step"] for line in run.metrics()] == [1, 2]
