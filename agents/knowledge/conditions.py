"""Conditions, findings and complaint groups: the parameters of the generative model, as authored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from agents.knowledge import catalogue as exams
from agents.knowledge.files import ROOT, KnowledgeError, digest, fail, read

LATENTS = ("inflammation", "renal", "hepatic", "perfusion", "marrow", "hypoxia")
BANDS = ("young", "middle", "old")


@dataclass(frozen=True, slots=True)
class Probability:
    p: float
    confidence: str = "D"
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Distribution:
    """A value given the condition: median and quartiles in the analyte's unit."""

    median: float
    q1: float
    q3: float
    confidence: str = "D"
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    id: str
    name: str
    kind: str
    category: str
    background: tuple[float, float, float]
    """Probability in a condition that does not name it: under 40, 40 to 64, 65 and over."""
    says: tuple[str, ...]
    denies: str
    ask: tuple[str, ...]
    exam: str | None
    graded: bool
    comorbidity: str | None
    sex: str | None
    min_age: float
    max_age: float

    def possible_for(self, age: float, sex: str) -> bool:
        return self.sex in (None, sex[:1].upper()) and self.min_age <= age <= self.max_age

    def rate(self, age: float) -> float:
        """The background probability at an age in years."""
        return self.background[0 if age < 40 else 1 if age < 65 else 2]


@dataclass(frozen=True, slots=True)
class Group:
    id: str
    name: str
    presents_with: tuple[str, ...]
    says: tuple[str, ...]
    opening: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Condition:
    id: str
    name: str
    aliases: tuple[str, ...]
    icd10: str
    summary: str
    cant_miss: bool
    common: bool
    groups: dict[str, float]
    age_mean: float
    age_sd: float
    age_min: float
    age_max: float
    male: float
    severity: tuple[float, float, float]
    latents: dict[str, float]
    findings: dict[str, Probability]
    values: dict[str, Distribution]
    exams: dict[str, dict[str, Probability]]
    confirm: tuple[str, ...]
    mimics: tuple[str, ...]
    atypical: tuple[str, ...]
    reviewed_by: str | None

    def grades(self) -> dict[str, int]:
        """How many of its numbers carry each confidence letter."""
        numbers: list[Probability | Distribution] = [*self.findings.values(), *self.values.values()]
        numbers += [p for row in self.exams.values() for p in row.values()]
        return {letter: sum(n.confidence == letter for n in numbers) for letter in "ABCD"}


@dataclass(frozen=True, slots=True)
class Knowledge:
    conditions: dict[str, Condition]
    findings: dict[str, Finding]
    groups: dict[str, Group]
    catalogue: exams.Catalogue
    sources: dict[str, Any]
    version: str

    def in_group(self, group: str) -> tuple[Condition, ...]:
        return tuple(c for c in self.conditions.values() if group in c.groups)

    def cant_miss(self, group: str) -> tuple[Condition, ...]:
        """What must be excluded before a consultation for this complaint closes."""
        return tuple(c for c in self.in_group(group) if c.cant_miss)


def load(root: Path = ROOT) -> Knowledge:
    """Everything under `root`, checked; raises KnowledgeError naming file and line."""
    words = vocabulary(root)
    conditions = [condition(path) for path in sorted((root / "conditions").glob("*.yaml"))]
    for item in conditions:
        check_references(item, words, root / "conditions" / f"{item.id}.yaml")
    return replace(words, conditions={item.id: item for item in conditions})


def vocabulary(root: Path = ROOT) -> Knowledge:
    """Findings, groups, examinations and sources, without any condition."""
    return _shipped_words() if root == ROOT else _words_of(root)


@cache
def _shipped_words() -> Knowledge:
    return _words_of(ROOT)


def _words_of(root: Path) -> Knowledge:
    catalogue = exams.catalogue() if root == ROOT else exams.load(root)
    findings = {k: _finding(k, row) for k, row in read(root / "findings.yaml", schema="findings")["findings"].items()}
    groups = {k: _group(k, row) for k, row in read(root / "groups.yaml", schema="groups")["groups"].items()}
    sources = read(root / "sources.yaml", schema="sources")
    known = Knowledge({}, findings, groups, catalogue, sources, digest(root))
    _check_vocabulary(known, root)
    return known


@cache
def knowledge() -> Knowledge:
    """The shipped knowledge, read once."""
    return load()


def condition(path: Path) -> Condition:
    """One condition file, checked against its schema; raises KnowledgeError."""
    row = read(path, schema="condition")
    if row["id"] != path.stem:
        raise fail(path, ["id"], f"id {row['id']!r} is not the file's name")
    age = row["age"]
    return Condition(
        id=row["id"],
        name=row["name"],
        aliases=tuple(row.get("aliases", ())),
        icd10=row["icd10"],
        summary=row["summary"],
        cant_miss=row["cant_miss"],
        common=row["common"],
        groups={key: float(value) for key, value in row["groups"].items()},
        age_mean=age["mean"],
        age_sd=age["sd"],
        age_min=age.get("min", 0),
        age_max=age.get("max", 100),
        male=row["male"],
        severity=_share(row["severity"]),
        latents={key: float(value) for key, value in row.get("latents", {}).items()},
        findings={key: _probability(value) for key, value in row["findings"].items()},
        values={key: Distribution(*value) for key, value in row["values"].items()},
        exams={key: {k: _probability(v) for k, v in value.items()} for key, value in row["exams"].items()},
        confirm=tuple(row["confirm"]),
        mimics=tuple(row["mimics"]),
        atypical=tuple(row["atypical"]),
        reviewed_by=row.get("reviewed_by"),
    )


def check_references(item: Condition, known: Knowledge, path: Path) -> None:
    """Raises KnowledgeError at the first id, quartile or sum that cannot be right."""
    for where, reason in _faults(item, known):
        raise fail(path, where, reason)


def _faults(item: Condition, known: Knowledge) -> Iterable[tuple[list[Any], str]]:
    listed = known.catalogue.exams
    for key in item.groups:
        if key not in known.groups:
            yield ["groups", key], f"unknown group {key!r}"
    for key, probability in item.findings.items():
        if key not in known.findings:
            yield ["findings", key], f"unknown finding {key!r}"
        yield from _grade_fault(["findings", key], probability, known)
    for key, value in item.values.items():
        analyte = listed[key].analyte if key in listed else None
        if analyte is None or analyte.rule:
            yield ["values", key], f"{key!r} is not a measured value of exams.yaml"
        if not value.q1 < value.median < value.q3:
            yield ["values", key], f"quartiles of {key!r} must be q1 < median < q3"
        elif analyte and analyte.scale == "log" and value.q1 <= 0:
            yield ["values", key], f"{key!r} must be above 0"
        yield from _grade_fault(["values", key], value, known)
    for key, row in item.exams.items():
        patterns = {p.id for p in listed[key].results} if key in listed else set()
        for result, probability in row.items():
            if result not in patterns:
                yield ["exams", key, result], f"unknown result {key}.{result}"
            yield from _grade_fault(["exams", key, result], probability, known)
        if sum(p.p for p in row.values()) > 1 + 1e-9:
            yield ["exams", key], f"results of {key!r} sum to more than 1"
    for key in item.confirm:
        if key not in listed:
            yield ["confirm"], f"unknown examination {key!r}"


def _grade_fault(
    where: list[Any], number: Probability | Distribution, known: Knowledge
) -> Iterable[tuple[list[Any], str]]:
    if number.source is not None and number.source not in known.sources["sources"]:
        yield where, f"unknown source {number.source!r}"
    if number.source is None and number.confidence in "ABC":
        yield where, f"confidence {number.confidence} needs a source; without one it is D, the authors' estimate"


def _check_vocabulary(known: Knowledge, root: Path) -> None:
    for finding in known.findings.values():
        if finding.kind == "sign" and finding.exam not in known.catalogue.exams:
            raise fail(root / "findings.yaml", ["findings", finding.id], f"unknown examination {finding.exam!r}")
    for group in known.groups.values():
        for key in (*group.presents_with, *group.opening):
            if key not in known.findings:
                raise fail(root / "groups.yaml", ["groups", group.id], f"unknown finding {key!r}")


def _share(weights: list[float]) -> tuple[float, float, float]:
    total = sum(weights)
    mild, moderate, severe = (w / total for w in weights)
    return mild, moderate, severe


def _probability(value: Any) -> Probability:
    return Probability(*value) if isinstance(value, list) else Probability(float(value))


def _finding(key: str, row: dict[str, Any]) -> Finding:
    rate = row["background"]
    return Finding(
        id=key,
        name=row["name"],
        kind=row["kind"],
        category=row["category"],
        background=tuple(rate[band] for band in BANDS) if isinstance(rate, dict) else (rate, rate, rate),
        says=tuple(row["says"]),
        denies=row["denies"],
        ask=tuple(row.get("ask", ())),
        exam=row.get("exam"),
        graded=row.get("graded", False),
        comorbidity=row.get("comorbidity"),
        sex=row.get("sex"),
        min_age=row.get("min_age", 0),
        max_age=row.get("max_age", 150),
    )


def _group(key: str, row: dict[str, Any]) -> Group:
    return Group(key, row["name"], tuple(row["presents_with"]), tuple(row["says"]), tuple(row["opening"]))


__all__ = ["LATENTS", "Condition", "Finding", "Group", "Knowledge", "KnowledgeError", "knowledge", "load"]
