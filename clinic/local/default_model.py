"""Which model is the default here (ROUNDS_MODEL): the converted SmolLM2, or the tiny one that learns in minutes."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clinic.local import weights
from clinic.local.home import ROOT
from clinic.local.problem import LocalProblem

SERVE_PYTHON = ROOT / ".venv-serve" / "bin" / "python"
TRAIN_PYTHON = ROOT / ".venv-train" / "bin" / "python"


@dataclass(frozen=True, slots=True)
class Step:
    """One child process on the way to the weights: what is said before it, and how it is called."""

    say: str
    command: tuple[str, ...]
    in_rounds: bool = False
    """Whether it imports packages of Rounds."""


@dataclass(frozen=True, slots=True)
class DefaultModel:
    """`name` is what requests must call it, `title` what pages do."""

    name: str
    title: str

    def find(self, into: Path) -> Path | None:
        """Its complete folder under the weights folder, if it is made."""
        return weights.find(into)

    def steps(self, into: Path) -> list[Step]:
        say = "fetching and converting the default weights (93 MB, about 40 seconds)"
        return [Step(say, (str(SERVE_PYTHON), weights.__file__, str(into)))]


class TinyModel(DefaultModel):
    """A few layers, trained on virtual work-ups in this home: for the demo of the learning loop."""

    __slots__ = ()

    def find(self, into: Path) -> Path | None:
        for path in sorted(into.glob("tiny-*/manifest.json")):
            if json.loads(path.read_text()).get("model") == "tiny":
                return path.parent
        return None

    def steps(self, into: Path) -> list[Step]:
        train = (str(TRAIN_PYTHON), "-m", "training.trainers.tiny", str(into))
        return [
            Step("making the training environment", (sys.executable, str(ROOT / "run.py"), "env", "train")),
            Step("making the tiny model on virtual patients (a few minutes)", train, in_rounds=True),
        ]


SMOLLM = DefaultModel("smollm2-135m-instruct", weights.MODEL)
TINY = TinyModel("rounds-tiny", "Tiny model of the demo")
BY_NAME = {"smollm2": SMOLLM, "tiny": TINY}


def chosen() -> DefaultModel:
    """The one that ROUNDS_MODEL names; LocalProblem for a name that is none."""
    name = os.environ.get("ROUNDS_MODEL") or "smollm2"
    if name not in BY_NAME:
        raise LocalProblem(f"ROUNDS_MODEL must be one of {', '.join(BY_NAME)}, not {name!r}.")
    return BY_NAME[name]


def manifest(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return read


def version_of(folder: Path) -> str:
    """The version's name, made of the weights' content."""
    return f"dx-base-{manifest(folder)['content'][:12]}"
