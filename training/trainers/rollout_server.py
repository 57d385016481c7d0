"""The model server that episodes are sampled from while a policy is trained: a child of the trainer, or anybody's.

vLLM decodes merged weights faster than adapters on a CPU, so after each update the adapter is merged (in float32, as
the server of clinicians gets it) into a new folder, and the server loads that folder in place (0.2 to 0.7 s).
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import torch

from agents.errors import PolicyError
from agents.token_client import TokenClient
from agents.types import Sampling
from agents.weights.merge import merge
from training.rundir import RunFolderError
from training.trainers import lora
from training.trainers.kept_in_folder import Stop

LOAD_SECONDS = 600.0
REPLY_SECONDS = 900.0
OFFLINE = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
PLACE = "{weights}"
"""Stands for the model folder in a `serve_command`."""


class RolloutServer:
    """Serves `base` (and `start`, an adapter on it) first; `sync` gives it the model under training."""

    def __init__(self, recipe: dict[str, Any], scratch: Path, log: Path) -> None:
        self.base, self.scratch = Path(recipe["base"]), scratch
        self.process: subprocess.Popen[bytes] | None = None
        url = recipe["rollouts"]
        if url == "own":
            url = f"http://127.0.0.1:{recipe['port']}"
        self.client = TokenClient(url, recipe["served_name"], first_token_seconds=REPLY_SECONDS)
        self._command: list[str] = recipe.get("serve_command") or []
        self._log = log

    def start(self, start: str | None) -> None:
        """Load the first weights in a child process; RunFolderError where it does not come up."""
        folder = self.base
        if start:
            folder = self.scratch / "start"
            merge(Path(start), self.base, folder)
        command = [str(folder) if part == PLACE else part for part in self._command]
        # Not our PYTHONPATH: it would put the packages of Rounds before those of the serving environment.
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment = {**OFFLINE, **inherited, "VLLM_SERVER_DEV_MODE": "1"}
        with self._log.open("ab") as log:
            # In our process group, so that whoever ends the trainer's group ends the server too.
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)

    async def ready(self, stop: Stop) -> None:
        """Wait until it decodes a token. Raises RunFolderError, Stopped."""
        deadline = time.monotonic() + LOAD_SECONDS
        while time.monotonic() < deadline:
            stop.check()
            if self.process and self.process.poll() is not None:
                raise RunFolderError(f"The rollout server ended with {self.process.returncode}; see {self._log.name}.")
            try:
                await self.client.sample([0], Sampling(max_tokens=1))
            except PolicyError:
                await asyncio.sleep(1.0)
            else:
                await self.client.close()
                return
        raise RunFolderError("The rollout server did not answer in time.")

    async def sync(self, model: Any, step: int, tokenizer: Any) -> None:
        """Make the server sample from `model`. Raises PolicyError."""
        folder = export(model, self.base, tokenizer, self.scratch / f"step-{step}")
        await self.client.reload(str(folder))
        for old in self.scratch.glob("step-*"):
            if old != folder:
                shutil.rmtree(old)

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def export(model: Any, base: Path, tokenizer: Any, folder: Path) -> Path:
    """A model folder of what is being trained, in bfloat16; the live model is only read."""
    shutil.rmtree(folder, ignore_errors=True)
    if hasattr(model, "peft_config"):
        adapter = folder.with_name(f"{folder.name}-adapter")
        lora.save(model, adapter, torch.float32)
        merge(adapter, base, folder)
        shutil.rmtree(adapter)
    else:
        lora.save(model, folder, torch.bfloat16)
        tokenizer.save_pretrained(folder)
    return folder


def command_for(python: Path, arguments: Sequence[str]) -> list[str]:
    """The `serve_command` of a vLLM in its own environment, `{weights}` where the model folder stands."""
    return [str(python), "-m", "vllm.entrypoints.openai.api_server", "--model", PLACE, *arguments]
