"""How far the rollout server's log-probs are from the trainer's: synced, not synced, and synced again; as JSON.

python -m tests.verification.rollout_checks RUN     (in the training environment)
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch

from training.rundir import RunDir, RunFolderError
from training.trainers import grpo, grpo_cases
from training.trainers.kept_in_folder import SCRATCH, Stop
from training.trainers.rollout_server import RolloutServer


def check(run: RunDir) -> dict[str, Any]:
    recipe = {**grpo.DEFAULTS, **run.config["recipe"]}
    stop, scratch = Stop(), run.path / SCRATCH
    scratch.mkdir()
    with RolloutServer(recipe, scratch, run.path / "server.log") as server:
        clinic = grpo.Clinic(run, recipe, grpo_cases.read(run.rows()), server, stop)
        trainer, _, _ = grpo.build(run, recipe, clinic, stop)
        server.start(None)
        clinic.wait_for_server()
        synced = gap(trainer)
        changed(trainer.model)
        refused = ""
        try:
            gap(trainer)
        except RunFolderError as problem:
            refused = str(problem)
        unsynced = trainer._metrics["train"]["logprob_gap"][-1]
        clinic._synced = -1
        return {"synced": synced, "unsynced": unsynced, "refused": refused, "again": gap(trainer)}


def gap(trainer: Any) -> float:
    """Of one batch of episodes, sampled by the server as it is."""
    trainer._generate_and_score_completions([{"prompt": "", "row": 0}] * trainer.num_generations)
    found: float = trainer._metrics["train"]["logprob_gap"][-1]
    return found


@torch.no_grad()
def changed(model: Any) -> None:
    """As if the adapter had learned something that the server was not told."""
    torch.manual_seed(0)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.normal_(0.0, 0.2)


if __name__ == "__main__":
    print(json.dumps(check(RunDir(Path(sys.argv[1])))))
