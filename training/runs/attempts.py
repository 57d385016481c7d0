"""The tries of one run: a folder for each claim, so that a holder who lost the lease writes where nobody reads."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from clinic.services.errors import Refused
from training import places
from training.models import Run
from training.rundir import RunDir, RunFolderError
from training.runs.sentences import SENTENCES


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The last STABLE checkpoint of one try."""

    fence: int
    step: int
    folder: Path
    """Of the checkpoint."""
    of: Path
    """The try's run folder."""


def folder_of(run: Run, fence: int) -> Path:
    return places.runs() / str(run.pk) / str(fence)


def all_of(run: Run) -> list[Path]:
    """Run folders of its tries, oldest first."""
    root = places.runs() / str(run.pk)
    return [path.parent for path in sorted(root.glob("*/config.json"), key=lambda path: int(path.parent.name))]


def newest(run: Run) -> Checkpoint | None:
    """Where the run can go on; None without a checkpoint. Raises Refused where that is damaged or not one place."""
    ends = [end for folder in all_of(run) if (end := _end(folder))]
    if not ends:
        return None
    last = ends[-1]
    ahead = max(ends, key=lambda end: end.step)
    # Each try begins with the checkpoint it went on from, so an older one can be ahead only if it wrote on unseen.
    if ahead.step > last.step:
        raise Refused(SENTENCES["two_ends"].format(one=last.step, other=ahead.step))
    return last


def _end(folder: Path) -> Checkpoint | None:
    try:
        stable = RunDir(folder).stable()
    except (RunFolderError, OSError, ValueError) as error:
        raise Refused(SENTENCES["damaged"].format(why=error)) from error
    if not stable:
        return None
    step, path = stable[-1]
    return Checkpoint(int(folder.name), step, path, folder)


def go_on(last: Checkpoint, into: Path) -> RunDir:
    """A run folder of its own that begins with another's config, data, metrics and last checkpoint."""
    into.mkdir(parents=True)
    for name in ("data.jsonl", "metrics.jsonl", "log.txt"):
        if (last.of / name).is_file():
            shutil.copyfile(last.of / name, into / name)
    shutil.copytree(last.folder, into / "checkpoints" / last.folder.name)
    # Last of all: without it the folder is no run folder, and a copy that broke off is never gone on from.
    shutil.copyfile(last.of / "config.json", into / "config.json")
    return RunDir(into)
