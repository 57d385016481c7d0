"""`manage demo_loop`: the whole story on a home of its own, with real parts, a tiny policy and scripted people."""

from __future__ import annotations

import os
import time
from typing import Any

from django.core.management.base import CommandParser

from clinic.management import base
from clinic.services.errors import Refused
from training.demo.story import Story

GRPO = {"steps": 30, "groups": 4, "group": 8, "cases": 48}


class Command(base.Command):
    help = "Play the learning loop: consultations, ratings, snapshot, run, gate, signatures, promotion, rollback."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--consultations", type=int, default=24, help="held before anything is learned")
        parser.add_argument("--steps", type=int, default=GRPO["steps"], help="of the reinforcement learning")
        parser.add_argument("--seed", type=int, default=0)

    def run(self, *, consultations: int, steps: int, seed: int, **options: Any) -> dict[str, Any]:
        address = os.environ.get("ROUNDS_WEB")
        if not address:
            raise Refused("The demo loop needs parts of its own: start it with `python3 run.py manage demo_loop`.")
        began = time.monotonic()
        story = Story(address, consultations, {**GRPO, "steps": steps}, seed, self._told)
        ok = story.play()
        return {"ok": ok, "steps": story.steps, "seconds": round(time.monotonic() - began, 1), "address": address}

    def tell(self, result: dict[str, Any]) -> None:
        for step in result["steps"]:
            said = step.get("error") or step.get("page", "")
            self.stdout.write(
                f"{'ok' if step['ok'] else 'NOT OK':7} {step['name']:14} {step['seconds']:7.1f} s  {said}"
            )
        self.stdout.write(f"{'The whole loop' if result['ok'] else 'It broke off'} after {result['seconds']:.0f} s.")

    def is_good(self, result: dict[str, Any]) -> bool:
        return bool(result["ok"])

    def _told(self, step: str, text: str) -> None:
        self.stderr.write(f"{step}: {text}" if text else f"{step} …")
