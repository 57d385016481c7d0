"""Runs a world over held-out patients in every mode, resumable, and yields its fidelity."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.world.grammar import Event
from agents.world.language_draws import draw_seed
from training.evaluation.fidelity import table
from training.evaluation.fidelity.drawers import CannotDraw, Drawer
from training.evaluation.fidelity.draws import Drawn, Mode, drawn_of
from training.evaluation.fidelity.embedding import Embed, hashed
from training.evaluation.fidelity.similarity import JudgesSimilarity
from training.evaluation.fidelity.table import Metric
from training.evaluation.store import RunFile
from training.worlds.rows import Row, digest

Progress = Callable[[int, int, str], None]
ALL = (Mode.FORCED, Mode.FREE, Mode.BLANK)


@dataclass(frozen=True)
class Settings:
    """`draws` without history per examination (one in the other modes); `at_once` patients at the same time."""

    draws: int = 4
    seed: int = 0
    modes: tuple[Mode, ...] = ALL
    at_once: int = 8
    judge: JudgesSimilarity | None = None
    embed: Embed = hashed


@dataclass(frozen=True)
class Fidelity:
    """What a world is worth on a cohort; `identity` says which world, cohort and settings these numbers are of."""

    world: str
    identity: Mapping[str, Any]
    metrics: Mapping[str, Metric]
    notes: Mapping[str, Any]
    patients: int
    results: int
    errors: int
    drawn: Sequence[Drawn] = field(repr=False, default=())

    def as_dict(self) -> dict[str, Any]:
        return {
            "world": self.world,
            "identity": dict(self.identity),
            "patients": self.patients,
            "results": self.results,
            "errors": self.errors,
            "metrics": {name: metric.as_dict() for name, metric in self.metrics.items()},
            "notes": dict(self.notes),
        }


async def evaluate(
    drawer: Drawer,
    rows: Sequence[Row],
    *,
    settings: Settings | None = None,
    path: Path | None = None,
    on_progress: Progress | None = None,
) -> Fidelity:
    """The fidelity of one world to the patients of `rows`; finished patients are read from `path`.

    A patient with an outage is drawn again on resume. Raises ValueError without patients, store.OtherRun where the
    file holds another run.
    """
    settings = settings or Settings()
    if not rows:
        raise ValueError("fidelity needs held-out patients, one at least")
    identity = _identity(drawer, rows, settings)
    file = RunFile(path, identity) if path else None
    drawn = await _each(drawer, rows, settings, file, on_progress or (lambda done, total, what: None))
    cohort = {row.id: row for row in rows}
    together = min(settings.at_once, len(rows)) if drawer.served else 1
    found, notes = await table.metrics(
        drawn,
        cohort,
        judge=settings.judge,
        embed=settings.embed,
        devices=drawer.devices / together,
        seed=settings.seed,
    )
    done, failed = sum(len(row.draws) for row in drawn), sum(len(row.errors) for row in drawn)
    return Fidelity(drawer.name, identity, found, notes, len(rows), done, failed, drawn)


async def draw_patient(drawer: Drawer, row: Row, settings: Settings) -> list[Drawn]:
    """Everything wanted of one patient: each examination in each mode, in the order of the record."""
    found: list[Drawn] = []
    for mode in settings.modes:
        history: list[Event] = []
        for step, event in enumerate(row.events):
            drawn = await _drawn(drawer, row, event, step, mode, tuple(history), settings)
            found.append(drawn)
            if mode is Mode.FORCED:
                history.append(event)
            elif mode is Mode.FREE and drawn.draws:
                history.append(Event(event.name, drawn.draws[0]))
    return found


async def _drawn(
    drawer: Drawer, row: Row, event: Event, step: int, mode: Mode, history: tuple[Event, ...], settings: Settings
) -> Drawn:
    said: list[str] = []
    errors: list[str] = []
    started = time.perf_counter()
    for repeat in range(settings.draws if mode is Mode.BLANK else 1):
        seed = draw_seed(settings.seed, row.id, f"{mode}:{step}:{event.name}", repeat)
        try:
            said.append(await drawer.draw(row, history, event.name, seed=seed))
        except CannotDraw as error:
            errors.append(str(error))
    seconds = round(time.perf_counter() - started, 5)
    return Drawn(row.id, row.diagnosis, event.name, event.result, tuple(said), mode, step, tuple(errors), seconds)


async def _each(
    drawer: Drawer, rows: Sequence[Row], settings: Settings, file: RunFile | None, tell: Progress
) -> list[Drawn]:
    gate = asyncio.Semaphore(settings.at_once)
    done = 0

    async def one(row: Row) -> list[Drawn]:
        nonlocal done
        kept = file.rows.get(row.id) if file else None
        drawn = [drawn_of(data) for data in kept["drawn"]] if kept else []
        if not drawn or any(part.errors for part in drawn):
            async with gate:
                drawn = await draw_patient(drawer, row, settings)
            if file:
                file.add(row.id, {"drawn": [part.as_dict() for part in drawn]})
        done += 1
        tell(done, len(rows), drawer.name)
        return drawn

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(row)) for row in rows]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return [part for task in tasks for part in task.result()]


def _identity(drawer: Drawer, rows: Sequence[Row], settings: Settings) -> dict[str, Any]:
    """What must be the same for two parts of one run."""
    return {
        "drawer": dict(drawer.identity),
        "cohort": digest(rows),
        "draws": settings.draws,
        "seed": settings.seed,
        "modes": [str(mode) for mode in settings.modes],
    }
