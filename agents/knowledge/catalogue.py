"""The catalogue of examinations: what can be ordered, what it costs, what it contains."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from agents.knowledge.files import ROOT, fail, read

Scale = Literal["linear", "log", "deficit"]


@dataclass(frozen=True, slots=True)
class ResultPattern:
    """One categorical result; `background` is its probability in a condition that does not name it."""

    id: str
    background: float
    reports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Analyte:
    """How a number behaves: reference intervals by M | F | child | elderly | any, and its latent."""

    unit: str
    ref: dict[str, tuple[float, float]]
    decimals: int
    scale: Scale = "linear"
    centre: float | None = None
    latent: str | None = None
    step: float = 0.0
    age_step: float = 0.0
    si: tuple[float, str] | None = None
    rule: str | None = None
    """Name of the formula of a derived analyte; None for a measured one."""
    sources: tuple[str, ...] = ()
    """The measured analytes a derived one is computed from."""

    def interval(self, age: float, sex: str) -> tuple[float, float]:
        """The reference interval for an age in years and sex "male" | "female"."""
        for key in (_band(age), sex[:1].upper(), "any"):
            if key in self.ref:
                return self.ref[key]
        return next(iter(self.ref.values()))


def _band(age: float) -> str:
    return "child" if age < 12 else "elderly" if age >= 65 else "adult"


@dataclass(frozen=True, slots=True)
class Examination:
    id: str
    name: str
    kind: str
    synonyms: tuple[str, ...]
    specimen: str
    cost: float
    """US dollars, authors' estimate."""
    delay: float
    """Minutes until the result, authors' estimate."""
    invasiveness: int
    radiation: float
    """Millisievert."""
    parts: tuple[str, ...] = ()
    contraindications: tuple[str, ...] = ()
    loinc: str | None = None
    sex: str | None = None
    min_age: float = 0
    max_age: float = 150
    analyte: Analyte | None = None
    results: tuple[ResultPattern, ...] = ()

    def possible_for(self, age: float, sex: str) -> bool:
        """Whether it can be done at all in a person of this age and sex ("male" | "female")."""
        return self.sex in (None, sex[:1].upper()) and self.min_age <= age <= self.max_age


@dataclass(frozen=True, slots=True)
class ExamSet:
    """Words that ask for several examinations at once ("bloods")."""

    id: str
    names: tuple[str, ...]
    exams: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Catalogue:
    exams: dict[str, Examination]
    sets: dict[str, ExamSet] = field(default_factory=dict)

    def leaves(self, exam: str) -> tuple[str, ...]:
        """The ids an examination finally consists of, panels opened, in order, without repeats."""
        parts = self.exams[exam].parts
        found = [leaf for part in parts for leaf in self.leaves(part)] if parts else [exam]
        return tuple(dict.fromkeys(found))

    def measured(self, exam: str) -> tuple[str, ...]:
        """The leaves whose values are measured: a derived leaf is replaced by what it is computed from."""
        found: list[str] = []
        for leaf in self.leaves(exam):
            analyte = self.exams[leaf].analyte
            found.extend(analyte.sources if analyte and analyte.rule else (leaf,))
        return tuple(dict.fromkeys(found))

    def covers(self, exam: str, other: str) -> bool:
        """Whether doing `exam` answers `other`: the same, or a panel that contains all of it."""
        return exam == other or set(self.leaves(other)) <= set(self.leaves(exam))


def load(root: Path = ROOT) -> Catalogue:
    """The catalogue of `root`/exams.yaml; raises KnowledgeError."""
    path = root / "exams.yaml"
    data = read(path, schema="exams")
    exams = {key: _examination(key, row, data["defaults"][row["kind"]]) for key, row in data["exams"].items()}
    sets = {key: ExamSet(key, tuple(row["names"]), tuple(row["exams"])) for key, row in data["sets"].items()}
    _check_references(path, exams, sets)
    return Catalogue(exams, sets)


@cache
def catalogue() -> Catalogue:
    """The shipped catalogue, read once."""
    return load()


def _check_references(path: Path, exams: dict[str, Examination], sets: dict[str, ExamSet]) -> None:
    for exam in exams.values():
        sources = exam.analyte.sources if exam.analyte else ()
        for part in (*exam.parts, *sources):
            if part not in exams:
                raise fail(path, ["exams", exam.id], f"unknown examination {part!r}")
    for group in sets.values():
        for part in group.exams:
            if part not in exams:
                raise fail(path, ["sets", group.id], f"unknown examination {part!r}")


def _examination(key: str, row: dict[str, Any], defaults: dict[str, Any]) -> Examination:
    row = {**defaults, **row}
    return Examination(
        id=key,
        name=row["name"],
        kind=row["kind"],
        synonyms=tuple(row.get("synonyms", ())),
        specimen=row["specimen"],
        cost=float(row["cost"]),
        delay=float(row["delay"]),
        invasiveness=row["invasiveness"],
        radiation=float(row["radiation"]),
        parts=tuple(row.get("parts", ())),
        contraindications=tuple(row.get("contraindications", ())),
        loinc=row.get("loinc"),
        sex=row.get("sex"),
        min_age=row.get("min_age", 0),
        max_age=row.get("max_age", 150),
        analyte=_analyte(row) if "ref" in row else None,
        results=_patterns(row.get("results", {})),
    )


def _analyte(row: dict[str, Any]) -> Analyte:
    derived = row.get("derived", {})
    si = row.get("si")
    return Analyte(
        unit=row["unit"],
        ref={key: (float(low), float(high)) for key, (low, high) in row["ref"].items()},
        decimals=row["decimals"],
        scale=row.get("scale", "linear"),
        centre=row.get("centre"),
        latent=row.get("latent"),
        step=float(row.get("step", 0)),
        age_step=float(row.get("age_step", 0)),
        si=(float(si[0]), si[1]) if si else None,
        rule=derived.get("rule"),
        sources=tuple(derived.get("from", ())),
    )


def _patterns(rows: dict[str, Any]) -> tuple[ResultPattern, ...]:
    """The first pattern takes what the backgrounds of the others leave."""
    if not rows:
        return ()
    rest = 1.0 - sum(row.get("background", 0.0) for row in list(rows.values())[1:])
    return tuple(
        ResultPattern(key, row.get("background", 0.0) if n else rest, tuple(row["report"]))
        for n, (key, row) in enumerate(rows.items())
    )
