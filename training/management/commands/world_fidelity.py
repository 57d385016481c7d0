"""`manage world_fidelity --world trained --world empirical --world truth`: how faithful worlds are, side by side."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from agents.completions import CompletionClient
from agents.rollout import ROLLOUT_PRIORITY
from agents.world.access import PUBLIC, CredentialedText
from agents.world.grammar import STOPS
from agents.world.language_engine import WorldEngine
from clinic.management import base
from clinic.services import audit, language_world
from clinic.services.errors import SENTENCES, Refused
from training import judges
from training.evaluation.fidelity import table
from training.evaluation.fidelity.cohort import Patients, of_clinic, of_file
from training.evaluation.fidelity.drawers import Clinic, Drawer, Empirical, Language, Marginal
from training.evaluation.fidelity.draws import Mode
from training.evaluation.fidelity.language_judge import LanguageSimilarity
from training.evaluation.fidelity.published import TABLE
from training.evaluation.fidelity.run import ALL, Fidelity, Settings, evaluate
from training.evaluation.store import OtherRun
from training.worlds.progress import line
from training.worlds.rows import UnreadableCohort, access_of, digest

BUILT_IN = ("truth", "empirical", "marginal")
TRAINED, UNTRAINED = "trained", "untrained"
WORLDS = f"{TRAINED}, {UNTRAINED}, {', '.join(BUILT_IN)}, or URL#MODEL of an OpenAI-compatible server"


class Command(base.Command):
    help = "Measure how faithful worlds are to held-out patients; the same command goes on where one broke off."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--world", action="append", metavar="NAME", help=f"{WORLDS}; may be repeated")
        parser.add_argument("--n", type=int, default=200, help="held-out patients (200)")
        parser.add_argument("--draws", type=int, default=4, help="draws without history per examination (4)")
        parser.add_argument("--seed", type=int, default=0, help="of the sampling")
        parser.add_argument("--case-seed", type=int, default=0, help="other numbers draw other virtual patients")
        parser.add_argument("--train", type=int, default=2000, help="training patients of the empirical sampler (2000)")
        parser.add_argument(
            "--condition", action="append", metavar="ID", help="held-out patients with one of these only; repeatable"
        )
        parser.add_argument("--max-tokens", type=int, default=512, metavar="N", help="of a result (512, as in DiagGym)")
        parser.add_argument("--rows", type=Path, metavar="FILE", help="a cohort file in place of virtual patients")
        parser.add_argument("--modes", default=",".join(ALL), help="of forced, free, blank")
        parser.add_argument("--judge", choices=("rules", "model"), default="rules", help="of step similarity")
        parser.add_argument("--devices", type=int, default=1, help="that a language world keeps busy")
        parser.add_argument("--at-once", type=int, default=8, metavar="N", help="patients at the same time")
        parser.add_argument("--folder", type=Path, help="where the draws are kept")

    def run(self, **options: Any) -> dict[str, Any]:
        self.shown = ""
        _check(options)
        patients = self._patients(options)
        folder = options["folder"] or _home()
        found = [self._world(name, patients, folder, options) for name in options["world"] or BUILT_IN[:2]]
        self.found = {fidelity.world: fidelity.metrics for fidelity in found}
        return {
            "ok": all(fidelity.errors == 0 for fidelity in found),
            "n": len(patients.held_out),
            "cohort": digest(patients.held_out),
            "worlds": [fidelity.as_dict() for fidelity in found],
            "reported": [row.as_dict() for row in TABLE],
            "folder": str(folder),
        }

    def tell(self, result: dict[str, Any]) -> None:
        self.stdout.write(f"{result['n']} held-out patients; in brackets 95 % intervals over patients")
        self.stdout.write(table.side_by_side(self.found))
        for world in result["worlds"]:
            notes = world["notes"]
            told = f"similarity by {notes['similarity_judge']}, consistency by {notes['consistency_judge']}"
            failed = f"{world['errors']} of {world['errors'] + world['results']} draws failed"
            self.stdout.write(f"{world['world']}: {told}, {notes['embedding']} embedding; {failed}")
        self.stdout.write("")
        self.stdout.write(table.reported())

    def is_good(self, result: dict[str, Any]) -> bool:
        """An outage leaves a table of what there is, and says by the exit code that the run is not whole."""
        return bool(result["ok"])

    def _patients(self, options: dict[str, Any]) -> Patients:
        if options["rows"] is None:
            return self._of_clinic(options)
        try:
            found = of_file(options["rows"], options["n"])
        except UnreadableCohort as error:
            raise Refused(f"{error}.") from error
        if not found.held_out:
            raise Refused(f"{options['rows'].name} has no row of the test split.")
        return found

    def _of_clinic(self, options: dict[str, Any]) -> Patients:
        conditions = options["condition"] or ()
        try:
            return of_clinic(options["n"], options["train"], seed=options["case_seed"], conditions=conditions)
        except KeyError as error:
            raise Refused(
                f"The virtual clinic has no condition {error}; the page Virtual clinic lists them."
            ) from error

    def _world(self, name: str, patients: Patients, folder: Path, options: dict[str, Any]) -> Fidelity:
        modes = tuple(Mode(mode) for mode in options["modes"].split(","))
        try:
            with _drawer(name, patients, options) as drawer:
                return asyncio.run(self._measured(drawer, patients, folder, modes, options))
        except OtherRun as error:
            raise Refused(f"{error}; name another --folder.") from error

    async def _measured(
        self, drawer: Drawer, patients: Patients, folder: Path, modes: tuple[Mode, ...], options: dict[str, Any]
    ) -> Fidelity:
        judge = judges.of_evaluations(seed=options["seed"]) if options["judge"] == "model" else None
        if options["judge"] == "model" and judge is None:
            raise Refused("No judge is named: set JUDGE_URL and JUDGE_MODEL, or let the rules judge.")
        scorer = LanguageSimilarity(judge.speaks, model=settings.JUDGE_MODEL) if judge else None
        how = Settings(options["draws"], options["seed"], modes, options["at_once"], scorer)
        path = folder / f"{_file_name(drawer, patients, how)}.jsonl"
        try:
            return await evaluate(drawer, patients.held_out, settings=how, path=path, on_progress=self._bar)
        finally:
            await judges.close(judge.speaks if judge else None)
            if isinstance(drawer, Language):
                await drawer.engine.client.close()

    def _bar(self, done: int, total: int, doing: str) -> None:
        told = line(done, total, f"patients, {doing}")
        if self.stderr.isatty():
            self.stderr.write(f"\r{told}", ending="\n" if done == total else "")
        elif told[:30] != self.shown:
            self.shown = told[:30]
            self.stderr.write(told)


@contextmanager
def _drawer(name: str, patients: Patients, options: dict[str, Any]) -> Iterator[Drawer]:
    """The world of a name; Refused where there is none, and where a text may not leave this machine."""
    if name in BUILT_IN:
        made: dict[str, Callable[[], Drawer]] = {
            "truth": Clinic,
            "empirical": lambda: Empirical(patients.training),
            "marginal": lambda: Marginal(patients.training),
        }
        if name != "truth" and not patients.training:
            raise Refused("The empirical sampler needs training patients: --train, or rows of the train split.")
        yield made[name]()
        return
    access = access_of(patients.held_out)
    try:
        engine = replace(_engine(name, access), max_tokens=options["max_tokens"])
        yield Language(name, engine, devices=options["devices"])
    except CredentialedText as error:
        facts = {"host": error.host, "world": name}
        audit.record(by=None, action="credentialed.refused", noun="fidelity", target=name, data=facts)
        raise Refused(SENTENCES["world_credentialed"]) from error


def _engine(name: str, access: str) -> WorldEngine:
    """`trained` is the world model served here, `untrained` the base model; anything else is URL#MODEL."""
    if name == TRAINED:
        bound = access != PUBLIC
        return language_world.rollout_engine(cases="fidelity", site=None, credentialed=bound, priority=ROLLOUT_PRIORITY)
    url, _, model = (f"{settings.POLICY_URL}#{settings.POLICY_MODEL}" if name == UNTRAINED else name).partition("#")
    if "://" not in url or not model:
        raise Refused(f"There is no world {name}; say {WORLDS}.")
    key = os.environ.get("POLICY_API_KEY") if url == settings.POLICY_URL else None
    return _made(_client(url, model, key), model, access)


def _client(url: str, model: str, key: str | None) -> CompletionClient:
    first, idle = settings.POLICY_FIRST_TOKEN_SECONDS, settings.POLICY_IDLE_SECONDS
    return CompletionClient(url, model, api_key=key, first_token_seconds=first, idle_seconds=idle)


def _made(client: CompletionClient, version: str, access: str) -> WorldEngine:
    stops, internal = tuple(settings.WORLD_STOPS) or STOPS, tuple(settings.INTERNAL_HOSTS)
    return WorldEngine(client, version, stops=stops, priority=ROLLOUT_PRIORITY, access=access, internal=internal)


def _check(options: dict[str, Any]) -> None:
    for name in ("n", "draws", "at_once", "devices", "max_tokens"):
        if options[name] < 1:
            raise Refused(f"--{name.replace('_', '-')} is a number from 1.")
    for name in ("train", "case_seed"):
        if options[name] < 0:
            raise Refused(f"--{name.replace('_', '-')} is a number from 0.")
    strange = set(options["modes"].split(",")) - set(ALL)
    if strange:
        raise Refused(f"There is no mode {sorted(strange)[0]!r}; there are {', '.join(ALL)}.")


def _home() -> Path:
    return Path(os.environ.get("ROUNDS_HOME") or settings.BASE_DIR / "var").resolve() / "fidelity"


def _file_name(drawer: Drawer, patients: Patients, how: Settings) -> str:
    """The same for the same world, patients and sampling, so that the command goes on where it stopped."""
    same = [dict(drawer.identity), digest(patients.held_out), how.draws, how.seed, [str(mode) for mode in how.modes]]
    named = "".join(c if c.isalnum() or c in "-._" else "-" for c in drawer.name)[:60]
    return f"{named}-{hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()[:12]}"
