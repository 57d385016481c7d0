"""Which model is the default here: the shipped agent, or what ROUNDS_MODEL names instead.

`smollm2` is the untrained base, `tiny` one that learns in minutes. Where no adapter is shipped, the base is it.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clinic.local import shipped, weights
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


class ShippedModel(DefaultModel):
    """The base with the adapter of agents/weights/agent-default, merged at the first start."""

    __slots__ = ()

    def find(self, into: Path) -> Path | None:
        told = shipped.shipped()
        folder = shipped.folder_of(told, into) if told else None
        return folder if folder and (folder / "manifest.json").is_file() else None

    def steps(self, into: Path) -> list[Step]:
        merge = (sys.executable, "-m", "clinic.local.shipped", str(into))
        own = Step("merging the trained agent into its base (some seconds)", merge, in_rounds=True)
        return [own] if weights.find(into) else [*super().steps(into), own]


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
SHIPPED = ShippedModel("rounds-agent", f"{weights.MODEL} trained in the virtual clinic")
TINY = TinyModel("rounds-tiny", "Tiny model of the demo")
BY_NAME = {"smollm2": SMOLLM, "tiny": TINY}


def chosen() -> DefaultModel:
    """The one that ROUNDS_MODEL names, else the shipped agent; LocalProblem for a name that is none.

    LocalProblem too where a byte of the shipped adapter was changed: nothing serves in its place unasked.
    """
    name = os.environ.get("ROUNDS_MODEL")
    if not name:
        return SHIPPED if shipped.shipped() else SMOLLM
    if name not in BY_NAME:
        raise LocalProblem(f"ROUNDS_MODEL must be one of {', '.join(BY_NAME)}, not {name!r}.")
    return BY_NAME[name]


def manifest(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return read


def version_of(folder: Path) -> str:
    """The version's name, made of the weights' content; of the shipped agent that of its adapter."""
    told = trained(folder)
    return shipped.version_of(told) if told else f"dx-base-{manifest(folder)['content'][:12]}"


def trained(folder: Path) -> dict[str, Any] | None:
    """The shipped adapter's manifest, where this folder is made of it."""
    told = shipped.shipped() if manifest(folder).get("recipe") == "merged" else None
    return told if told and shipped.folder_of(told, folder.parent) == folder else None
