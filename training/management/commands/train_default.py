"""`manage train_default`: the default agent from nothing, in stages that are gone on with after any kill."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from clinic.local.home import Home, Lock
from clinic.local.problem import LocalProblem
from clinic.management import base
from clinic.services.errors import Refused
from training import places
from training.default import ground, profiles, shipping, stages, table
from training.default.chain import Chain, ChainError, Interrupted, Stage
from training.default.children import Children

INTERRUPTED = "Interrupted. What is whole is kept; the same command goes on from here."
TABLE, SHIP = "table", "ship"
Makes = Callable[[profiles.Profile, ground.Ground], list[Stage]]


class Command(base.Command):
    help = "Train the default agent in the virtual clinic: data, imitation, reinforcement, calibration, figures."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--stage", metavar="NAME", help="this stage and all that it needs; or table, or ship")
        parser.add_argument("--profile", choices=sorted(profiles.BY_NAME), default="cpu")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument(
            "--close", metavar="NAME", help="end this SFT or GRPO stage now, by the mean of its checkpoints"
        )
        parser.add_argument("--from-shipped", action="store_true", help="go on from the cold start that ships")
        parser.add_argument(
            "--candidates", nargs="+", metavar="NAME", default=stages.CANDIDATES, help="what calibration may go on from"
        )
        parser.add_argument("--row", metavar="NAME", help="ship this row although another one is better")
        parser.add_argument("--into", type=Path, default=shipping.INTO, help="where the shipped adapter lies")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            super().handle(*args, **options)
        except Interrupted:
            if options["json"]:
                self.stdout.write(json.dumps({"ok": False, "error": INTERRUPTED}))
            raise CommandError(INTERRUPTED, returncode=130) from None

    def run(self, **options: Any) -> dict[str, Any]:
        root = places.runs() / "default"
        root.mkdir(parents=True, exist_ok=True)
        lock = Lock(root / "lock")
        if not lock.take():
            raise Refused(f"Another train_default is at work in {root}.")
        try:
            return self._made(root, **options)
        except (ChainError, LocalProblem) as problem:
            raise Refused(str(problem)) from problem
        finally:
            lock.release()

    def _made(self, root: Path, *, stage: str | None, **options: Any) -> dict[str, Any]:
        done: list[dict[str, Any]] = []
        if options["close"]:
            self._close(root / str(options["seed"]) / options["close"])
            return {"ok": True, "stages": done, "closed": options["close"]}
        if stage not in (TABLE, SHIP):
            adopted = shipping.INTO if options["from_shipped"] else None
            make = partial(stages.stages, adopted=adopted, candidates=options["candidates"])
            done = self._stages(root, stage, options["profile"], options["seed"], make)
        result: dict[str, Any] = {"ok": True, "stages": done}
        if stage in (None, TABLE, SHIP):
            result["table"] = table.write(root)
        if stage in (None, SHIP):
            row, into = options["row"], options["into"]
            result["shipped"] = shipping.ship(root / str(options["seed"]), result["table"], into, row=row)
        return result

    def _stages(self, root: Path, last: str | None, profile: str, seed: int, make: Makes) -> list[dict[str, Any]]:
        chosen = profiles.BY_NAME[profile]
        with Children() as children:
            found = ground.ready(chosen, Home.default().weights, children)
            chain = Chain(make(chosen, found), root, seed=seed, runs=children, tell=self._tell)
            return chain.make(last)

    def _close(self, folder: Path) -> None:
        if not (folder / "config.json").is_file():
            raise Refused(f"There is no stage in {folder}.")
        with Children() as children:
            children.run("training.default.close", str(folder), folder=folder)

    def tell(self, result: dict[str, Any]) -> None:
        for stage in result["stages"]:
            self.stdout.write(f"{stage['stage']:28} {stage['seconds']:9.1f} s  {stage['content'][:12]}")
        if "table" in result:
            self.stdout.write(table.text(result["table"]))
        if "shipped" in result:
            self.stdout.write(f"{result['shipped']['row']} lies in {result['shipped']['folder']}")

    def _tell(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)  # noqa: T201
