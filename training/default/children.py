"""Programs of the training environment, one at a time: watched, shown as a bar, stopped cleanly."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any, Self

from clinic.local.default_model import TRAIN_PYTHON
from clinic.local.home import ROOT
from clinic.local.processes import Keeper
from training.default.chain import ChainError, Interrupted
from training.default.rows import GROWING
from training.runs.environment import variables

TICK = 0.5
TOLD_EVERY = 60.0
"""Seconds between lines where no terminal shows the bar."""
GRACE = 300.0
"""A trainer that is asked to stop finishes no step, but writes its checkpoint; a slow machine takes its time."""
COUNTED_EVERY = 10.0
WIDTH = 24
SHOWN = ("loss", "val_loss", "reward", "turns", "malformed", "tokens_per_second", "logprob_gap")


class Children:
    """Starts them below a keeper: none outlives this process, not even kill -9. Use as a context manager."""

    def __init__(self, python: Path = TRAIN_PYTHON) -> None:
        self.python = python
        self.asked = False
        self._keeper = Keeper(state_file=None)
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._keeper.close()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.asked = True

    def run(self, module: str, *arguments: str, folder: Path, total: int | None = None) -> None:
        """A module to its end; its output goes to FOLDER.log. Raises ChainError, Interrupted."""
        self.command(str(self.python), "-m", module, *arguments, folder=folder, total=total, what=module)

    def command(self, *command: str, folder: Path, what: str, total: int | None = None) -> None:
        if self.asked:
            raise Interrupted
        log = folder.with_name(f"{folder.name}.log")
        log.parent.mkdir(parents=True, exist_ok=True)
        child = self._keeper.spawn(command, env=variables(), log=log, cwd=ROOT)
        bar, asked_at = Bar(folder, total), 0.0
        try:
            while (code := child.poll()) is None:
                time.sleep(TICK)
                bar.look()
                if self.asked and not asked_at:
                    child.ask_to_stop()
                    asked_at = time.monotonic()
                if asked_at and time.monotonic() - asked_at > GRACE:
                    child.kill_rest()
        finally:
            child.stop(grace=0)
        bar.end()
        if self.asked:
            raise Interrupted
        if code:
            raise ChainError(f"{what} ended with {code}: {_last_words(log)} (details: {log})")


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() if log.is_file() else []
    return lines[-1].strip().rstrip(".") if lines else "no reason given"


class Bar:
    """What the last line of metrics.jsonl says: a bar on a terminal, a line now and then elsewhere."""

    def __init__(self, folder: Path, total: int | None) -> None:
        self.path, self.total, self.name = folder / "metrics.jsonl", total, folder.name
        self._told, self._counted, self._line = time.monotonic(), 0.0, ""

    def look(self) -> None:
        line = self._read()
        if not line or line == self._line:
            return
        if sys.stderr.isatty():
            print(f"\r{line[:150]:150}", end="", file=sys.stderr, flush=True)  # noqa: T201
        elif time.monotonic() - self._told > TOLD_EVERY:
            print(line, file=sys.stderr, flush=True)  # noqa: T201
            self._told = time.monotonic()
        else:
            return
        self._line = line

    def end(self) -> None:
        line = self._read()
        if line:
            print(f"\r{line[:150]:150}" if sys.stderr.isatty() else line, file=sys.stderr, flush=True)  # noqa: T201

    def _read(self) -> str:
        last = _last_line(self.path) or self._growing()
        if last is None:
            return ""
        step = int(last.get("step", 0))
        numbers = "  ".join(f"{name} {last[name]:.3g}" for name in SHOWN if isinstance(last.get(name), int | float))
        if not self.total:
            return f"{self.name} {step}  {numbers}"
        filled = WIDTH * min(step, self.total) // self.total
        return f"{self.name} {'█' * filled}{'░' * (WIDTH - filled)} {step}/{self.total}  {numbers}"

    def _growing(self) -> dict[str, Any] | None:
        """How many rows there are of a file that is written line by line; looked at now and then, it is large."""
        path = self.path.with_name(GROWING)
        if time.monotonic() - self._counted < COUNTED_EVERY or not path.is_file():
            return None
        self._counted = time.monotonic()
        return {"step": path.read_bytes().count(b"\n")}


def _last_line(path: Path) -> dict[str, Any] | None:
    """The last whole line of a file that somebody else appends to."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4096))
        lines = file.read().split(b"\n")[:-1]
    found: dict[str, Any] | None = json.loads(lines[-1]) if lines and lines[-1].startswith(b"{") else None
    return found
