"""The whole chain on a tiny model, with the real trainers: from no weights to an adapter that a start would accept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clinic.local import shipped
from training.default import stages

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.slow
SECONDS = 900


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    if not (ROOT / ".venv-train" / "bin" / "python").is_file():
        pytest.skip("there is no training environment; python3 run.py env train makes it")
    return tmp_path_factory.mktemp("home")


def command(home, *options):
    environment = {**os.environ, "ROUNDS_HOME": str(home), "ROUNDS_WEIGHTS": str(home / "weights")}
    program = [
        sys.executable,
        str(ROOT / "run.py"),
        "manage",
        "train_default",
        "--profile",
        "smoke",
        "--json",
        *options,
    ]
    return subprocess.Popen(program, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finished(process):
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, err[-3000:]
    return json.loads(out.splitlines()[-1])


def test_stopped_in_the_middle_it_goes_on_and_is_measured(home):
    process = command(home, "--stage", "evaluate-cold-start")
    begun = home / "runs" / "default" / "0" / "cold-start" / "config.json"
    deadline = time.monotonic() + SECONDS
    while not begun.is_file() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert "the same command goes on" in json.loads(out.splitlines()[-1])["error"]
    told = finished(command(home, "--stage", "evaluate-cold-start"))
    assert [stage["stage"] for stage in told["stages"]] == ["data", "cold-start", "evaluate-cold-start"]
    (row,) = finished(command(home, "--stage", "table"))["table"]["rows"]
    assert (row["row"], row["n"], row["seeds"]) == ("cold-start", 2, [0])


@pytest.mark.drill
def test_the_whole_chain_ships_and_makes_nothing_twice(home, tmp_path, drill_count):
    if not drill_count(0, 1):
        pytest.skip("twenty programs of the training environment one after another: with --drills")
    told = finished(command(home, "--into", str(tmp_path / "agent-default")))
    assert {row["row"] for row in told["table"]["rows"]} == set(stages.ROWS)
    assert all(row["n"] == 2 and row["seeds"] == [0] for row in told["table"]["rows"])
    manifest = shipped.shipped(tmp_path / "agent-default")
    assert manifest is not None
    assert (manifest["row"], manifest["codec"]) == (told["shipped"]["row"], "brief")
    again = finished(command(home, "--into", str(tmp_path / "agent-default")))
    assert sum(stage["seconds"] for stage in again["stages"]) == 0
