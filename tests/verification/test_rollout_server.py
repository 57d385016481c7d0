"""GRPO's episodes through the real vLLM: it samples from the weights under training, and where not, that is noticed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clinic.local import model_server
from clinic.local.ports import free_port
from tests.training.trainers import environment
from tests.training.trainers.conftest import toy as toy
from tests.training.trainers.run_folders import cases, create, methods
from training.runs import config

pytestmark = [pytest.mark.vllm, pytest.mark.slow]


def test_log_probs_agree_when_synced_and_only_then(tmp_path: Path, toy: Path) -> None:
    """feasibility.md: 0.05 synced against 0.28 to 0.41 not; the toy's unlearned answer differs as much."""
    if not model_server.PYTHON.is_file():
        pytest.skip("there is no serving environment; python3 run.py env serve makes it")
    port = free_port()
    command = [str(model_server.PYTHON), "-m", "vllm.entrypoints.openai.api_server"]
    command += model_server.server_arguments(Path("{weights}"), port, "policy")
    run = create(
        tmp_path / "run",
        toy,
        "grpo",
        cases(),
        methods=methods(tmp_path, {"physicians": 1.0}),
        rollouts=config.OWN,
        port=port,
        served_name="policy",
        serve_command=command,
        groups=1,
        group=8,
        micro=8,
        max_tokens=60,
    )
    out, _ = environment.run("tests.verification.rollout_checks", str(run.path), seconds=900)
    found = json.loads(out.splitlines()[-1])
    assert found["synced"] < 0.05
    assert found["unsynced"] > 0.2
    assert "samples from other weights" in found["refused"]
    assert found["again"] < 0.05
