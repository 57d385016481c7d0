"""Runs a module in the training environment, which has torch; the tests' own has not."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
PYTHON = ROOT / ".venv-train" / "bin" / "python"


def start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    """`python -m ...` of the training environment; skips the test, with the reason, where there is none."""
    if not PYTHON.exists():
        pytest.skip("there is no training environment; python3 run.py env train makes it")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    return subprocess.Popen(
        [str(PYTHON), "-m", *arguments],
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def run(*arguments: str, expect: int = 0, seconds: int = 300) -> tuple[str, str]:
    """(stdout, stderr) of a module that must exit with `expect`."""
    process = start(*arguments)
    out, err = process.communicate(timeout=seconds)
    assert process.returncode == expect, err[-3000:]
    return out, err


def in_training_environment(module: str, *arguments: str) -> Any:
    """What the module printed as JSON on its last line."""
    out, _ = run(module, *arguments)
    return json.loads(out.splitlines()[-1])
