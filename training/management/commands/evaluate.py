"""`manage evaluate PROTOCOL --cases SET --policy NAME`: one policy by one protocol of DiagBench, resumable."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from clinic.management import base
from clinic.services import sites
from clinic.services.errors import Refused
from training import services
from training.case_sets import LANGUAGE, ON
from training.evaluation.run import KEYS, PROTOCOLS
from training.models import Evaluation
from training.opponents import DEFAULT, opponent

WIDTH = 30
INTERRUPTED = "Interrupted. What is finished is kept; the same command goes on from here."
PAGE_ONLY = ("risk_coverage", "reliability", "subgroups", "centres")


class Command(base.Command):
    help = "Evaluate a policy on a set of cases; the same command goes on where an earlier one broke off."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("protocol", choices=PROTOCOLS)
        parser.add_argument("--cases", required=True, metavar="SET", help="virtual:test, virtual:validation, an origin")
        parser.add_argument("--policy", metavar="NAME", help="random, greedy-oracle, default, a version, URL#MODEL")
        parser.add_argument("--limit", type=int, metavar="N", help="the first N cases only")
        parser.add_argument("--seed", type=int, default=0, help="of the sampling")
        parser.add_argument("--case-seed", type=int, default=0, help="other numbers draw other virtual patients")
        parser.add_argument("--codec", default="", help="structured or diagagent, where the version does not say")
        parser.add_argument("--url", default="", help="of any OpenAI-compatible server, ending in /v1")
        parser.add_argument("--model", default="", help="the name that server knows the model by")
        parser.add_argument("--at-once", type=int, default=16, metavar="N", help="consultations at the same time")
        parser.add_argument(
            "--world", choices=("own", LANGUAGE), default="own", help="what answers: each case itself, or a world model"
        )
        parser.add_argument("--site", help="the site's short name, where there is more than one")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            super().handle(*args, **options)
        except KeyboardInterrupt:
            if options["json"]:
                self.stdout.write(json.dumps({"ok": False, "error": INTERRUPTED}))
            raise CommandError(INTERRUPTED, returncode=130) from None

    def run(self, **options: Any) -> dict[str, Any]:
        self.shown = ""
        _check(options)
        names = ("protocol", "cases", "limit", "seed", "case_seed", "at_once")
        if options["world"] == LANGUAGE:
            options["cases"] += ON + LANGUAGE
        wanted = services.Wanted(**{name: options[name] for name in names})
        who = {name: options[name] for name in ("seed", "codec", "url", "model")}
        named = options["policy"] or (options["model"].rpartition("/")[2] or DEFAULT)
        site = sites.find(slug=options["site"])
        evaluation = services.evaluate(
            wanted=wanted, opponent=opponent(policy=named, **who), site=site, by=None, on_progress=self._bar
        )
        return _printed(evaluation)

    def tell(self, result: dict[str, Any]) -> None:
        self.stdout.write(f"{result['policy']}, {result['protocol']}, {result['cases']}: {result['n']} cases")
        for name in [name for name in result if isinstance(result[name], float)]:
            interval = result["ci"].get(name)
            told = f"   [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else ""
            self.stdout.write(f"  {name:22} {result[name]:10.3f}{told}")

    def _bar(self, done: int, total: int, doing: str) -> None:
        filled = WIDTH * done // max(total, 1)
        line = f"{'█' * filled}{'░' * (WIDTH - filled)} {done}/{total}  {doing}"
        if self.stderr.isatty():
            self.stderr.write(f"\r{line}", ending="\n" if done == total else "")
        elif line[:WIDTH] != self.shown:
            self.shown = line[:WIDTH]
            self.stderr.write(line)


def _check(options: dict[str, Any]) -> None:
    for name in ("limit", "at_once"):
        if options[name] is not None and options[name] < 1:
            raise Refused(f"--{name.replace('_', '-')} is a number from 1.")
    if options["case_seed"] < 0:
        raise Refused("--case-seed is a number from 0.")


def _printed(evaluation: Evaluation) -> dict[str, Any]:
    """The keys of the contract first; what only the page draws is left out."""
    summary = evaluation.summary
    rest = {name: value for name, value in summary.items() if name not in (*KEYS, *PAGE_ONLY, "policy", "name")}
    rest["judge"] = evaluation.judge or None
    contract = {name: summary.get(name) for name in KEYS}
    who = {"policy": evaluation.policy, "identity": evaluation.identity, "cases": evaluation.case_set}
    return {"ok": True, **contract, **rest, **who, "evaluation": evaluation.pk, "folder": evaluation.folder}
