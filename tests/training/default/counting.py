"""A chain of stages that only count, as a program that can be killed: this module with a folder as its argument."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from training.default.chain import Chain, Stage, Work
from training.rundir import write_json

STEPS = 6


class NoPrograms:
    """These stages start none."""

    def run(self, module: str, *arguments: str, folder: Path, total: int | None = None) -> None:
        raise AssertionError(module)


def count(work: Work) -> None:
    """STEPS steps, each with a STABLE checkpoint; the result is a sum over what the stages before it have made."""
    run = work.open({"recipe": {}, "seeds": {"order": work.seed}}, ({"n": n} for n in range(STEPS)))
    stable = run.stable()
    total = int((stable[-1][1] / "total").read_text()) if stable else 0
    begun = stable[-1][0] if stable else 0
    for step in range(begun + 1, STEPS + 1):
        total += step * work.settings["weight"] + sum(_result(folder) for folder in work.before.values())
        with run.checkpoint(step) as folder:
            (folder / "total").write_text(str(total))
        run.measured({"step": step})
        print(f"{work.stage.name} {step}", flush=True)
        time.sleep(work.settings.get("pause", 0.0))
    write_json(run.path / "result.json", total)
    run.finish(counts={"steps": STEPS}, end="finished")


def _result(folder: Path) -> int:
    return int((folder / "result.json").read_text())


def stages(pause: float = 0.0, weight: int = 1) -> list[Stage]:
    settings = {"weight": weight, "pause": pause}
    return [
        Stage("first", (), count, settings),
        Stage("second", ("first",), count, settings),
        Stage("aside", ("first",), count, settings),
        Stage("last", ("second", "aside"), count, settings),
    ]


def chain(root: Path, **settings: float) -> Chain:
    told = {name: value for name, value in settings.items() if name in ("pause", "weight")}
    return Chain(stages(**told), root, seed=0, runs=NoPrograms(), tell=lambda text: None)  # type: ignore[arg-type]


if __name__ == "__main__":
    chain(Path(sys.argv[1]), pause=0.05).make()
