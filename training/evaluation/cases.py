"""Sets of cases to evaluate on, by name: each case with its world, its answer and its reference examinations."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from agents.environment import ConsultationEnv, World
from agents.matching import named_condition
from agents.types import CaseRecord, Source
from agents.world.language import LanguageWorld
from agents.world.language_engine import WorldEngine
from agents.world.play import reference_examinations
from agents.world.record import RecordWorld
from agents.world.virtual import BANK, SPLITS, case_id, open_case
from agents.world.virtual_world import VirtualWorld

VIRTUAL = "virtual"
SCOPE, IN_SCOPE, OUT_OF_SCOPE = "scope", "a condition it was taught", "outside what it was taught"
"""The group of an imported case: whether the knowledge that the virtual clinic teaches has its recorded diagnosis."""
OTHER_PATIENTS = 100_000
"""Numbers apart that two case seeds draw from."""

Loader = Callable[[], Iterable[CaseRecord]]


class UnknownCaseSet(LookupError):
    """No set of cases has this name; the message lists those that exist."""


@dataclass(frozen=True)
class EvaluationCase:
    """One case. `centre` names its origin in tables; `subgroups` maps a name to this case's group in it."""

    id: str
    centre: str
    record: CaseRecord
    open_world: Callable[[], World]
    references: Callable[[], tuple[str, ...]]
    subgroups: Mapping[str, str] = field(default_factory=dict)
    on_language: bool = False
    """A language model writes the results, so the virtual clinic's exact posterior says nothing about them."""

    @property
    def answer(self) -> str:
        return self.record.answer

    @property
    def reference_examinations(self) -> tuple[str, ...]:
        """Catalogue ids or names of what should be ordered (decisions.md 18)."""
        return self.references()

    @property
    def is_virtual(self) -> bool:
        return self.id.startswith(f"{VIRTUAL}:") and not self.on_language

    def environment(self) -> ConsultationEnv:
        """A fresh environment for one episode."""
        return ConsultationEnv(self.open_world(), self.record)


def case_set(
    name: str,
    *,
    limit: int | None = None,
    case_seed: int = 0,
    loaders: Mapping[str, Loader] | None = None,
    sealed: bool = False,
) -> list[EvaluationCase]:
    """The cases of `virtual:SPLIT`, of one virtual case id, or of a loader's set; at most `limit`.

    `case_seed` draws other virtual patients. The sealed split is opened with `sealed`, which only the gate sets.
    Raises UnknownCaseSet, and ValueError for the sealed split.
    """
    loaders = loaders or {}
    split = name.removeprefix(f"{VIRTUAL}:")
    if split == "sealed" and not sealed:
        raise ValueError("the sealed split is read by the gate alone")
    if name.startswith(f"{VIRTUAL}:") and split in SPLITS:
        return [virtual_case(case) for case in _numbers(split, limit, case_seed)]
    if name.startswith(f"{VIRTUAL}:") and (sealed or not split.startswith("sealed:")):
        return [virtual_case(name)]
    if name in loaders:
        return [record_case(record, name) for record in _first(loaders[name](), limit) if record.answer.strip()]
    known = [*(f"{VIRTUAL}:{split}" for split in SPLITS if split != "sealed"), *sorted(loaders)]
    raise UnknownCaseSet(f"no set of cases {name!r}; there are {', '.join(known)}")


def virtual_case(case: str) -> EvaluationCase:
    """One virtual patient; raises agents.world.virtual.UnknownCase."""
    opened = open_case(case)
    record = opened.record()
    groups = {**_person(record), "complaint": record.complaint}
    return EvaluationCase(
        opened.id, VIRTUAL, record, lambda: VirtualWorld(opened.id), lambda: oracle_references(opened.id), groups
    )


def record_case(record: CaseRecord, centre: str) -> EvaluationCase:
    """One imported record; what was examined, or what its source names as key examinations, is the reference."""
    named = record.extra.get("reference_examinations") or [result.examination for result in record.results]
    wanted = tuple(dict.fromkeys(str(name) for name in named))
    source = Source.SIMULATED if record.extra.get("synthetic") else Source.RECORDED
    return EvaluationCase(
        record.id,
        centre,
        record,
        lambda: RecordWorld(record, source=source),
        lambda: wanted,
        {**_person(record), SCOPE: IN_SCOPE if named_condition(record.answer) else OUT_OF_SCOPE},
    )


def on_language_world(case: EvaluationCase, engine: WorldEngine, *, seed: int = 0) -> EvaluationCase:
    """The same case, its examinations answered by a language world; questions by the case itself."""

    def opened() -> World:
        return LanguageWorld(case.record, engine, case.open_world(), seed=seed)

    return replace(case, open_world=opened, on_language=True)


def oracle_references(case: str) -> tuple[str, ...]:
    """What the greedy oracle orders for a virtual patient; the id carries the hash of the knowledge.

    Planning one case takes about a second, so `kept_references` can bring those of earlier runs.
    """
    if case not in _kept:
        _kept[case] = tuple(reference_examinations(case))
    return _kept[case]


_kept: dict[str, tuple[str, ...]] = {}


def unplanned(cases: Iterable[EvaluationCase]) -> list[str]:
    """Ids of the virtual cases whose references nobody planned yet."""
    return [case.id for case in cases if case.is_virtual and case.id not in _kept]


def keep_references(case: str, examinations: Iterable[str]) -> None:
    """What another process planned for a virtual case."""
    _kept[case] = tuple(examinations)


@contextmanager
def kept_references(path: Path) -> Iterator[None]:
    """Read the references of a JSON file first, and write back those found meanwhile."""
    if path.exists():
        _kept.update({case: tuple(exams) for case, exams in json.loads(path.read_text(encoding="utf-8")).items()})
    try:
        yield
    finally:
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = path.with_suffix(f".{os.getpid()}.new")
        whole.write_text(json.dumps(_kept, indent=0, sort_keys=True), encoding="utf-8")
        whole.replace(path)


def _numbers(split: str, limit: int | None, case_seed: int) -> Iterator[str]:
    start = case_seed * OTHER_PATIENTS
    for number in range(start, start + (BANK[split] if limit is None else limit)):
        yield case_id(split, number)


def _first(records: Iterable[CaseRecord], limit: int | None) -> Iterator[CaseRecord]:
    for number, record in enumerate(records):
        if limit is not None and number >= limit:
            return
        yield record


def _person(record: CaseRecord) -> dict[str, str]:
    return {"sex": record.sex, "age": _age_band(record.age_years)}


def _age_band(age: float | None) -> str:
    if age is None:
        return "unknown"
    return next((name for limit, name in ((18, "under 18"), (40, "18-39"), (65, "40-64")) if age < limit), "65+")
