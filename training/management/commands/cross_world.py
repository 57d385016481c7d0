"""`manage cross_world --policy P --world virtual --world record`: one policy in several worlds, case by case."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from agents.rollout import ROLLOUT_PRIORITY
from agents.world.language_engine import WorldEngine
from clinic.management import base
from clinic.models import Case, Site
from clinic.services import language_world as served
from clinic.services import sites
from clinic.services.errors import Refused
from training import judges
from training.case_sets import CaseSet, open_cases
from training.evaluation import cross_world
from training.evaluation.cases import kept_references
from training.evaluation.cross_world import LANGUAGE, RECORD, VIRTUAL, WORLDS, CrossWorld, Opens
from training.evaluation.run import Settings
from training.evaluation.store import OtherRun
from training.opponents import DEFAULT, Opponent, opponent
from training.worlds.progress import line


class Command(base.Command):
    help = "Play one policy on the same cases in several worlds; the first is what the others are compared with."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--policy", default=DEFAULT, metavar="NAME", help="as for evaluate; a model, not a rule")
        parser.add_argument(
            "--world", action="append", choices=WORLDS, help="may be repeated; without it the first two"
        )
        parser.add_argument("--cases", default="virtual:test", metavar="SET", help="as for evaluate (virtual:test)")
        parser.add_argument("--limit", type=int, metavar="N", help="the first N cases only")
        parser.add_argument("--seed", type=int, default=0, help="of policy and language world")
        parser.add_argument("--case-seed", type=int, default=0, help="other numbers draw other virtual patients")
        parser.add_argument("--codec", default="", help="structured or diagagent, where the version does not say")
        parser.add_argument("--url", default="", help="of any OpenAI-compatible server, ending in /v1")
        parser.add_argument("--model", default="", help="the name that server knows the model by")
        parser.add_argument("--at-once", type=int, default=16, metavar="N", help="consultations at the same time")
        parser.add_argument("--site", help="the site's short name, where there is more than one")

    def run(self, **options: Any) -> dict[str, Any]:
        self.shown = ""
        self.engine: WorldEngine | None = None
        _check(options)
        worlds = list(dict.fromkeys(options["world"] or (VIRTUAL, RECORD)))
        site = sites.find(slug=options["site"])
        cases = open_cases(name=options["cases"], site=site, limit=options["limit"], case_seed=options["case_seed"])
        if VIRTUAL in worlds and not all(case.is_virtual for case in cases.cases):
            raise Refused(f"{options['cases']} are no patients of the virtual clinic; compare {RECORD} and {LANGUAGE}.")
        who = {name: options[name] for name in ("seed", "codec", "url", "model")}
        player = opponent(policy=options["policy"], **who)
        if not player.plays_records and worlds != [VIRTUAL]:
            raise Refused(
                f"The {player.player.name} policy reads the virtual clinic's mind and plays in no other world."
            )
        folder = _home() / _name(player, cases, options)
        try:
            opens = self._opened(worlds, cases, site, options)
            table = asyncio.run(self._played(player, cases, opens, folder, options))
        except OtherRun as error:
            raise Refused(f"The files of this run belong to another one: {error}.") from error
        except ValueError as error:
            raise Refused(f"The worlds cannot be compared: {error}.") from error
        told = {"policy": player.player.name, "cases": options["cases"], "folder": folder.name}
        return {"ok": True, **told, "reference": worlds[0], **table.as_dict()}

    def tell(self, result: dict[str, Any]) -> None:
        head = f"{result['policy']} on {result['n']} cases of {result['cases']}"
        self.stdout.write(f"{head}; in brackets 95 % intervals, * beyond chance against {result['reference']}")
        for world in result["worlds"]:
            who = world["identity"]
            self.stdout.write(f"{world['world']}: {who['backend']} {who['version']}, seed {who['seed']}")
            gaps = {gap["measure"]: gap for gap in world["gaps"]}
            for name, number in world["numbers"].items():
                told = f"  {name:10}{number['value']:9.3f} [{number['low']:.3f}, {number['high']:.3f}]"
                self.stdout.write(told + (_gap(gaps[name]) if name in gaps else ""))
            if world["errors"]:
                self.stdout.write(f"  {world['errors']} of {world['asked']} cases failed and are compared nowhere")

    async def _played(
        self, who: Opponent, cases: CaseSet, worlds: dict[str, Opens], folder: Path, options: dict[str, Any]
    ) -> CrossWorld:
        judge = judges.of_evaluations(seed=options["seed"])
        how = Settings(judge=judge.speaks if judge else None, concurrency=options["at_once"], seed=options["seed"])
        try:
            with kept_references(_home() / "references.json"):
                return await cross_world.evaluate(
                    cases.cases, who.player, worlds, settings=how, folder=folder, on_progress=self._bar
                )
        finally:
            await who.close()
            await judges.close(how.judge)
            if self.engine:
                await self.engine.client.close()

    def _opened(self, worlds: list[str], cases: CaseSet, site: Site, options: dict[str, Any]) -> dict[str, Opens]:
        """The worlds by name, in the order asked for."""
        found: dict[str, Opens] = {VIRTUAL: cross_world.virtual_world, RECORD: cross_world.record_world}
        if LANGUAGE in worlds:
            # One case under a data use agreement binds the whole run: the engine is shared.
            stored = Case.objects.filter(site=site, key__in=[case.id for case in cases.cases])
            bound = stored.filter(credentialed=True).exists()
            self.engine = served.rollout_engine(
                cases=options["cases"], site=site, credentialed=bound, priority=ROLLOUT_PRIORITY
            )
            found[LANGUAGE] = cross_world.language_world(self.engine, seed=options["seed"])
        return {name: found[name] for name in worlds}

    def _bar(self, done: int, total: int, doing: str) -> None:
        told = line(done, total, f"consultations, {doing}")
        if self.stderr.isatty():
            self.stderr.write(f"\r{told}", ending="\n" if done == total else "")
        elif told[:30] != self.shown:
            self.shown = told[:30]
            self.stderr.write(told)


def _check(options: dict[str, Any]) -> None:
    for name in ("limit", "at_once"):
        if options[name] is not None and options[name] < 1:
            raise Refused(f"--{name.replace('_', '-')} is a number from 1.")


def _gap(gap: dict[str, Any]) -> str:
    mark = " *" if gap["beyond_chance"] else ""
    return f"   {gap['difference']:+.3f} [{gap['low']:+.3f}, {gap['high']:+.3f}]{mark}"


def _home() -> Path:
    return Path(os.environ.get("ROUNDS_HOME") or settings.BASE_DIR / "var").resolve() / "evaluations"


def _name(who: Opponent, cases: CaseSet, options: dict[str, Any]) -> str:
    same = [who.player.identity.as_dict(), cases.contents, options["cases"], options["seed"], options["case_seed"]]
    same.append([settings.JUDGE_URL, settings.JUDGE_MODEL])
    return f"cross-world-{hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()[:12]}"
