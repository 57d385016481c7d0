"""Playing a row through a server, as the product speaks to one: scored, summarised, gone on with after a kill."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.world.virtual import case_id
from clinic.local.ports import free_port
from tests.training.trainers import environment
from training.rundir import RunDir

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[3]
CASES = 3


@pytest.fixture
def engine() -> Iterator[str]:
    """A fake vLLM that says random valid actions."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "tests.doubles.engine", "--port", str(port)], cwd=ROOT)
    yield f"http://127.0.0.1:{port}"
    process.kill()
    process.wait()


def made(folder: Path, url: str, **recipe: object) -> RunDir:
    usual = {"base": "base", "start": None, "rollouts": url, "served_name": "fake-model", "temperature": 0.0}
    usual |= {"concurrency": 2, "context": 4096, "max_turns": 4, "oracle": ""}
    config = {"row": "base", "codec": "structured", "base": {"content": "b" * 64}, "seeds": {"rollout": 0}}
    rows = [{"case": case_id("test", n)} for n in range(CASES)]
    return RunDir.create(folder, {**config, "recipe": {**usual, **recipe}}, rows)


def test_every_case_is_played_and_the_oracle_asked_once_for_all_rows(engine: str, tmp_path: Path) -> None:
    first = made(tmp_path / "one", engine, oracle=str(tmp_path / "oracle"))
    environment.run("training.default.play", str(first.path))
    summary = json.loads((first.path / "summary.json").read_text())
    assert (summary["n"], summary["errors"], summary["name"]) == (CASES, 0, "base")
    assert summary["oracle_accuracy"] is not None
    kept = (tmp_path / "oracle" / "oracle.jsonl").read_bytes()
    second = made(tmp_path / "two", engine, oracle=str(tmp_path / "oracle"))
    environment.run("training.default.play", str(second.path))
    assert (second.path / "sample-0" / "oracle.jsonl").read_bytes() == kept
    assert (second.path / "manifest.json").is_file()


def test_several_samples_need_no_oracle(engine: str, tmp_path: Path) -> None:
    run = made(tmp_path / "hot", engine, temperature=1.0, samples=2)
    environment.run("training.default.play", str(run.path))
    assert sorted(path.name for path in run.path.glob("sample-*")) == ["sample-0", "sample-1"]
    assert not list(run.path.glob("*/oracle.jsonl"))


def test_stopped_it_keeps_what_is_finished_and_goes_on(engine: str, tmp_path: Path) -> None:
    run = made(tmp_path / "run", engine, oracle=str(tmp_path / "oracle"), concurrency=1)
    process = environment.start("training.default.play", str(run.path))
    played = run.path / "sample-0" / "episodes.jsonl"
    deadline = time.monotonic() + 300
    while (not played.is_file() or played.read_bytes().count(b"\n") < 2) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=300)
    before = played.read_text().splitlines()
    if process.returncode == 0:
        pytest.skip("it was done before it could be stopped")
    assert process.returncode == 143
    environment.run("training.default.play", str(run.path))
    after = played.read_text().splitlines()
    assert after[: len(before)] == before
    assert len(after) == 1 + CASES
