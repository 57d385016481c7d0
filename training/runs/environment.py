"""The Python that trainers run with, made at the first run, and the environment their processes get."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings

from clinic.local.processes import Keeper
from clinic.services.errors import Refused
from training.runs.following import tail
from training.runs.sentences import SENTENCES

TICK = 0.5
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "USER", "ROUNDS_OWNER")
FAMILIES = ("CUDA_", "NVIDIA_", "NCCL_", "HF_", "OMP_", "MKL_", "TORCH_", "VLLM_", "ACCELERATE_", "FSSPEC_", "AWS_")
"""What a trainer may know. Neither the database's address nor the keys of pages and servers are among it."""


def python(keeper: Keeper, log: Path, *, beat: Callable[[], Any]) -> Path:
    """The trainers' Python; .venv-train is made or brought up to date first. Raises Refused."""
    if settings.TRAINER_PYTHON:
        chosen = Path(settings.TRAINER_PYTHON)
        if not chosen.is_file():
            raise Refused(SENTENCES["no_environment"].format(path=chosen))
        return chosen
    maker = settings.BASE_DIR / "run.py"
    if maker.is_file():  # an image has the environment built in, and no maker
        _make(keeper, maker, log, beat)
    made: Path = settings.BASE_DIR / ".venv-train" / "bin" / "python"
    if not made.is_file():
        raise Refused(SENTENCES["environment"].format(why=f"{made} is not there"))
    return made


def _make(keeper: Keeper, maker: Path, log: Path, beat: Callable[[], Any]) -> None:
    command = [sys.executable, str(maker), "env", "train"]
    child = keeper.spawn(command, env=os.environ, log=log, cwd=settings.BASE_DIR)
    try:
        while (code := child.poll()) is None:
            beat()
            time.sleep(TICK)
    finally:
        child.stop(grace=2.0)
    if code:
        lines = tail(log).splitlines() or ["no reason given"]
        raise Refused(SENTENCES["environment"].format(why=lines[-1].removeprefix("rounds: ").rstrip(".")))


def variables() -> dict[str, str]:
    """For a trainer's process."""
    given = {name: value for name, value in os.environ.items() if name in PASSED_ON or name.startswith(FAMILIES)}
    fixed = {"PYTHONPATH": str(settings.BASE_DIR), "PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false"}
    fixed["PYTHONWARNINGS"] = "ignore::FutureWarning"  # of pinned packages: they would fill the page's log
    return {"HF_HUB_OFFLINE": "1", **given, **fixed}


def command(interpreter: Path, trainer: str, folder: Path, *, resume: bool, processes: int = 1) -> list[str]:
    """The trainer's command line; several processes go through accelerate's launcher."""
    start = [str(interpreter), "-m"]
    if processes > 1:
        start += ["accelerate.commands.launch", "--multi_gpu", "--num_processes", str(processes), "--module"]
    return [*start, f"training.trainers.{trainer}", str(folder), *(["--resume"] if resume else [])]
