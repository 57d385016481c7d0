"""The run folder of one try: new, or beginning with the last STABLE checkpoint of an earlier one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training import places
from training.rundir import RunDir
from training.runs import attempts, config, data
from training.runs.lease import Held

BEAT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A folder ready for a trainer; `resume` where it goes on from a checkpoint at `step`."""

    run_dir: RunDir
    resume: bool
    step: int = 0

    @property
    def path(self) -> Path:
        return self.run_dir.path


def prepare(held: Held) -> Prepared:
    """The folder of this claim, which no other claim writes into. Raises Refused, LostLease."""
    run, path = held.run, attempts.folder_of(held.run, held.fence)
    last = attempts.newest(run)
    if last is None:
        made = RunDir.create(path, config.of(run), _beating(data.of(run), held.beat))
        prepared = Prepared(made, resume=False)
    else:
        prepared = Prepared(attempts.go_on(last, path), resume=True, step=last.step)
        config.fresh_server(prepared.run_dir)
    held.forget_after(prepared.step if prepared.resume else -1)
    recipe = prepared.run_dir.config["recipe"]
    steps = max(int(recipe.get("steps", 0)), prepared.step)
    held.beat(folder=str(path.relative_to(places.runs())), step=prepared.step, steps=steps)
    return prepared


def output_of(held: Held) -> Path:
    """What the trainer prints: beside the run folder, whose manifest names every file in it."""
    folder = attempts.folder_of(held.run, held.fence)
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder.with_name(f"{folder.name}.out")


def _beating(rows: Iterator[Mapping[str, Any]], beat: Callable[[], Any]) -> Iterator[Mapping[str, Any]]:
    """The same rows; the lease is renewed while they are drawn."""
    last = time.monotonic()
    for row in rows:
        if time.monotonic() - last > BEAT_SECONDS:
            beat()
            last = time.monotonic()
        yield row
