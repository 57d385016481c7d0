"""One policy on the same patients in several worlds, side by side: a policy that learned one world's habits shows.

Record replay answers only what was done, the virtual clinic anything, a language world in its own words (system.md
E5). A gap between worlds beyond its interval says that the number of one world is not the policy's alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from agents.environment import World
from agents.types import CaseRecord, RecordedResult, Source
from agents.world.language import LanguageWorld
from agents.world.language_engine import WorldEngine
from agents.world.record import RecordWorld
from agents.world.virtual import VirtualCase, open_case
from agents.world.virtual_world import VirtualWorld
from training.evaluation.cases import EvaluationCase
from training.evaluation.end_to_end import CaseResult
from training.evaluation.policies import Player
from training.evaluation.run import Progress, Settings, play
from training.evaluation.statistics import Comparison, bootstrap_ci, paired, share_ci
from training.worlds.orders import orders

RECORD, VIRTUAL, LANGUAGE = "record", "virtual", "language"
WORLDS = (RECORD, VIRTUAL, LANGUAGE)
MEASURES: Mapping[str, Callable[[CaseResult], float]] = {
    "accuracy": lambda result: float(result.correct),
    "f1": lambda result: result.f1,
    "turns": lambda result: float(result.turns),
    "cost": lambda result: result.cost,
}


class Named(World, Protocol):
    """A world that says which one it is: backend, version, seed."""

    @property
    def identity(self) -> dict[str, Any]: ...


Opens = Callable[[EvaluationCase], Named]
"""A fresh world of one case."""


@dataclass(frozen=True, slots=True)
class Number:
    """A mean over the common cases with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Gap:
    """This world minus the reference world on the same cases; `beyond_chance`: its interval leaves out 0."""

    measure: str
    comparison: Comparison

    @property
    def beyond_chance(self) -> bool:
        return self.comparison.low > 0 or self.comparison.high < 0

    def as_dict(self) -> dict[str, Any]:
        return {"measure": self.measure, **self.comparison.as_dict(), "beyond_chance": self.beyond_chance}


@dataclass(frozen=True)
class WorldRow:
    """One world: which one exactly (backend, version, seed), the policy's numbers, its gaps to the reference."""

    world: str
    identity: Mapping[str, Any]
    asked: int
    errors: int
    numbers: Mapping[str, Number]
    gaps: tuple[Gap, ...] = ()

    @property
    def flagged(self) -> tuple[str, ...]:
        """Measures in which it differs from the reference beyond chance."""
        return tuple(gap.measure for gap in self.gaps if gap.beyond_chance)

    def as_dict(self) -> dict[str, Any]:
        return {
            "world": self.world,
            "identity": dict(self.identity),
            "asked": self.asked,
            "errors": self.errors,
            "numbers": {name: asdict(number) for name, number in self.numbers.items()},
            "gaps": [gap.as_dict() for gap in self.gaps],
            "flagged": list(self.flagged),
        }


@dataclass(frozen=True)
class CrossWorld:
    """The table: `n` cases that have an outcome in every world, the reference first."""

    n: int
    rows: tuple[WorldRow, ...]

    @property
    def flagged(self) -> bool:
        return any(row.flagged for row in self.rows)

    def as_dict(self) -> dict[str, Any]:
        return {"n": self.n, "flagged": self.flagged, "worlds": [row.as_dict() for row in self.rows]}


@dataclass(frozen=True)
class Evaluated:
    """What a policy did in one world: one result a case."""

    world: str
    identity: Mapping[str, Any]
    results: Sequence[CaseResult] = field(repr=False)


def compare(worlds: Sequence[Evaluated], *, seed: int = 0) -> CrossWorld:
    """The paired table of evaluations of one policy; the first is the reference of every gap.

    Only cases with an outcome in all worlds count: an outage of one world may not change which patients are compared.
    Raises ValueError for no world, or none in common.
    """
    if not worlds:
        raise ValueError("a comparison needs worlds")
    scored = [{r.case: r for r in one.results if r.error is None} for one in worlds]
    common = [result.case for result in worlds[0].results if all(result.case in found for found in scored)]
    if not common:
        raise ValueError("no case has an outcome in every world")
    tables = [{name: [of(found[case]) for case in common] for name, of in MEASURES.items()} for found in scored]
    rows = []
    for n, (one, found) in enumerate(zip(worlds, tables, strict=True)):
        gaps = [Gap(name, paired(found[name], tables[0][name], seed=seed)) for name in MEASURES] if n else []
        numbers = {name: _number(name, found[name], seed) for name in MEASURES}
        failed = len(one.results) - len(scored[n])
        rows.append(WorldRow(one.world, one.identity, len(one.results), failed, numbers, tuple(gaps)))
    return CrossWorld(len(common), tuple(rows))


async def evaluate(
    cases: Sequence[EvaluationCase],
    player: Player,
    worlds: Mapping[str, Opens],
    *,
    settings: Settings,
    folder: Path | None = None,
    on_progress: Progress | None = None,
) -> CrossWorld:
    """Plays every case in every world (resumable per world and version in `folder`) and compares them."""
    tell = on_progress or (lambda done, total, what: None)
    found = []
    for name, opens in worlds.items():
        here = [in_world(case, opens) for case in cases]
        identity = opens(cases[0]).identity if cases else {}
        path = folder / _slug(name, identity) / "episodes.jsonl" if folder else None
        played = await play(here, player, path=path, settings=settings, tell=_named(tell, name))
        found.append(Evaluated(name, _shared(identity), [row.result for row in played]))
    return compare(found, seed=settings.seed)


def in_world(case: EvaluationCase, opens: Opens) -> EvaluationCase:
    """The same case, with the same answer and references, answered by another world."""
    return replace(case, open_world=lambda: opens(case))


def virtual_world(case: EvaluationCase) -> Named:
    """The virtual clinic; ValueError for a case that is not one of its patients."""
    if not case.is_virtual:
        raise ValueError(f"{case.id} is no patient of the virtual clinic")
    return VirtualWorld(case.id)


def record_world(case: EvaluationCase) -> Named:
    """Replay: of a record what it holds; of a virtual patient the examinations of its cohort row, nothing else."""
    record = replay_of(open_case(case.id)) if case.is_virtual else case.record
    simulated = case.is_virtual or bool(record.extra.get("synthetic"))
    version = str(record.extra.get("knowledge", ""))
    return RecordWorld(record, source=Source.SIMULATED if simulated else Source.RECORDED, version=version)


def language_world(engine: WorldEngine, *, seed: int = 0) -> Opens:
    """The language world of an engine; questions are answered as in the case's own world."""

    def opens(case: EvaluationCase) -> Named:
        return LanguageWorld(case.record, engine, case.open_world(), seed=seed)

    return opens


def replay_of(case: VirtualCase) -> CaseRecord:
    """A virtual patient as a record: what was ordered for it, in order."""
    wanted = orders(case.patient)
    done = [exam for group in (wanted.physical, *wanted.steps) for exam in group]
    seen = [case.perform(exam).observation for exam in done]
    results = [
        RecordedResult(observation.matched or exam, observation.text, observation.values, order)
        for order, (exam, observation) in enumerate(zip(done, seen, strict=True))
    ]
    return replace(case.record(), results=tuple(results))


def _number(name: str, values: Sequence[float], seed: int) -> Number:
    interval = share_ci(values, seed=seed) if name == "accuracy" else bootstrap_ci(values, seed=seed)
    assert interval is not None
    return Number(sum(values) / len(values), *interval)


def _shared(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Backend and version are those of every case; a patient's own seed is not."""
    return {**identity, "seed": identity.get("seed") if identity.get("backend") == LANGUAGE else "each patient's"}


def _slug(name: str, identity: Mapping[str, Any]) -> str:
    seed = f"-{identity.get('seed')}" if identity.get("backend") == LANGUAGE else ""
    told = f"{name}-{identity.get('version') or 'any'}{seed}"
    return "".join(c if c.isalnum() or c in "-._" else "-" for c in told)[:100]


def _named(tell: Progress, world: str) -> Progress:
    return lambda done, total, what: tell(done, total, f"{what}, {world} world")
