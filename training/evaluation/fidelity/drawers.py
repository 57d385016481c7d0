"""Worlds that write results: a language model, the data's own empirical sampler, the virtual clinic itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from random import Random
from typing import Any, Protocol

from agents.errors import PolicyError
from agents.world.grammar import Event, Unserialisable
from agents.world.language_engine import WorldEngine
from agents.world.plausibility.reading import exam_id
from agents.world.virtual import UnknownCase, VirtualCase, open_case
from training.evaluation.fidelity.exact import Predictive
from training.worlds import virtual
from training.worlds.rows import Row, digest


class CannotDraw(Exception):
    """There is no result: an outage, or nothing to draw from. It lowers coverage and is never a score."""


class Drawer(Protocol):
    """Writes the result of an examination. `identity` names what wrote it; `devices` is how many it keeps busy.

    `served`: a server writes, so that requests of several patients overlap.
    """

    name: str
    devices: int
    served: bool

    @property
    def identity(self) -> dict[str, Any]: ...

    async def draw(self, row: Row, history: Sequence[Event], exam: str, *, seed: int) -> str:
        """Text of one result, from the row's profile (never its results) and the history; raises CannotDraw."""
        ...


class Language:
    """A language world model as it writes, before the monitor: a refused draw would hide what the model does."""

    served = True

    def __init__(self, name: str, engine: WorldEngine, *, devices: int = 1) -> None:
        self.name, self.engine, self.devices = name, engine, devices

    @property
    def identity(self) -> dict[str, Any]:
        engine = self.engine
        told = {"model": engine.model, "version": engine.version, "temperature": engine.temperature}
        return {"world": "language", **told, "max_tokens": engine.max_tokens}

    async def draw(self, row: Row, history: Sequence[Event], exam: str, *, seed: int) -> str:
        try:
            return (await self.engine.write(row.profile, history, exam, seed=seed)).text
        except (PolicyError, Unserialisable) as error:
            raise CannotDraw(str(error)) from error


class Empirical:
    """The honest baseline: a result of the same examination in a training patient of the same disease.

    Without one it takes any training patient's. It knows no history, no age and no sex.
    """

    devices, served = 1, False

    def __init__(self, rows: Iterable[Row], *, name: str = "empirical") -> None:
        self.name = name
        self.own: dict[tuple[str, str], list[str]] = defaultdict(list)
        self.any: dict[str, list[str]] = defaultdict(list)
        known = list(rows)
        self.learned_from = {"patients": len(known), "rows": digest(known)}
        for row in known:
            for event in row.events:
                self.own[row.diagnosis, event.name].append(event.result)
                self.any[event.name].append(event.result)

    @property
    def identity(self) -> dict[str, Any]:
        return {"world": "empirical", **self.learned_from}

    async def draw(self, row: Row, history: Sequence[Event], exam: str, *, seed: int) -> str:
        pool = self.own.get((row.diagnosis, exam)) or self.any.get(exam)
        if not pool:
            raise CannotDraw(f"no training patient had {exam}")
        return pool[Random(f"{seed}:{exam}").randrange(len(pool))]


class Marginal(Empirical):
    """The floor: a result of the same examination in any training patient, whatever the disease."""

    def __init__(self, rows: Iterable[Row], *, name: str = "marginal") -> None:
        super().__init__(rows, name=name)
        self.own.clear()

    @property
    def identity(self) -> dict[str, Any]:
        return {"world": "marginal", **self.learned_from}


class Clinic:
    """The virtual clinic: draws from the exact distribution given the profile and the history. The upper bound."""

    name = "truth"
    devices, served = 1, False

    @property
    def identity(self) -> dict[str, Any]:
        return {"world": "virtual clinic, exact"}

    async def draw(self, row: Row, history: Sequence[Event], exam: str, *, seed: int) -> str:
        asked = exam_id(exam)
        case = clinic_case(row.id)
        if asked is None or case is None:
            raise CannotDraw(f"the virtual clinic does not know {exam if case else row.id}")
        twin = _predictive(row.id, tuple(history)).twin(seed)
        return virtual.result(twin, asked).result


@lru_cache(maxsize=2048)
def clinic_case(case: str) -> VirtualCase | None:
    """The virtual case of an id, None for any other case or another version of the knowledge."""
    try:
        return open_case(case)
    except UnknownCase:
        return None


@lru_cache(maxsize=64)
def _predictive(case: str, history: tuple[Event, ...]) -> Predictive:
    opened = clinic_case(case)
    assert opened is not None
    return Predictive(opened, history)


__all__ = ["CannotDraw", "Clinic", "Drawer", "Empirical", "Language", "Marginal", "clinic_case"]
