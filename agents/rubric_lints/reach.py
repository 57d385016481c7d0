"""Points that nobody can win or lose: by the arithmetic of the score, by the rules, or by the case itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agents.examinations import match
from agents.knowledge.catalogue import catalogue
from agents.matching.diagnoses import match_diagnosis
from agents.rubric_lints.problem import Problem
from agents.rubrics import Criterion

HEAVY = 200
"""Points in all, signs aside: the longest published rubrics stay under it."""
DOMINANT = 0.6
_ORDERS = re.compile(r"^(?:orders|requests|examines|performs|obtains|arranges|asks for|checks)\s+(.+)$", re.I)
_NAMES = re.compile(
    r"^(?:(?:correctly|finally)\s+)?(?:names|diagnoses|concludes|commits to)\s+"
    r"(?:the (?:right )?diagnosis(?: of| as|:)?\s+)?(.+)$",
    re.I,
)
_AS_DIAGNOSIS = re.compile(r"\s+(?:as|to be) (?:the|its|a) .*\bdiagnosis\b.*$", re.I)
_ARTICLE = re.compile(r"^(?:an?|the|one of:?)\s+", re.I)


@dataclass(frozen=True, slots=True)
class Setting:
    """The case that a rubric is for, as far as it limits what can happen. Age in years."""

    examinations: tuple[str, ...] = ()
    answer: str = ""
    age: float | None = None
    sex: str = "unknown"


def problems(criteria: Sequence[Criterion], setting: Setting | None) -> Iterator[Problem]:
    yield from _arithmetic(criteria)
    yield from _rules(criteria)
    if setting:
        for criterion in criteria:
            yield from _in_case(criterion, setting)


def _arithmetic(criteria: Sequence[Criterion]) -> Iterator[Problem]:
    positive = sum(c.points for c in criteria if c.points > 0)
    negative = -sum(c.points for c in criteria if c.points < 0 and not c.never)
    if criteria and not positive:
        says = "has penalties only: the score is the share of penalties avoided"
        yield Problem("", "penalty_only", says if any(c.points for c in criteria) else "has no points at all", True)
    elif negative > positive:
        says = (
            f"has penalties of {negative:g} against {positive:g} points: a score stops at 0, so the rest cannot count"
        )
        yield Problem("", "unreachable", says)
    if positive + negative > HEAVY:
        yield Problem("", "total_weight", f"has {positive + negative:g} points in all: each criterion hardly counts")
    for c in criteria:
        if c.points > 0 and len(criteria) > 2 and c.points > DOMINANT * positive:
            yield Problem(c.id, "total_weight", f"has {c.points:g} of {positive:g} points: it decides the score alone")


def _rules(criteria: Sequence[Criterion]) -> Iterator[Problem]:
    """Rewards by rule that exclude each other."""
    rewards = [(c, *next(iter(c.rule.items()))) for c in criteria if c.rule and c.points > 0]
    diagnosed = [c for c, kind, _ in rewards if kind == "diagnosed"]
    steps = sum(kind == "examined" for _, kind, _ in rewards) + bool(diagnosed)
    for c, kind, value in rewards:
        if kind == "deferred" and value and diagnosed:
            says = f"rewards deferring while {diagnosed[0].id} rewards a diagnosis: nobody can have both"
            yield Problem(c.id, "unreachable", says, True)
        if kind == "turns_at_most" and isinstance(value, int | float) and value < steps:
            says = f"allows {value:g} actions, and the other criteria ask for {steps}"
            yield Problem(c.id, "unreachable", says, True)


def _in_case(criterion: Criterion, setting: Setting) -> Iterator[Problem]:
    text = criterion.text.strip().rstrip(".")
    if criterion.points <= 0:
        return
    if found := _NAMES.match(text):
        name = _AS_DIAGNOSIS.sub("", _ARTICLE.sub("", found[1]))
        verdict = match_diagnosis(name, setting.answer) if setting.answer else None
        # Only a name the tables know: "the right diagnosis" is no disease.
        if verdict and verdict.predicted and verdict.correct is False:
            yield Problem(criterion.id, "unreachable", f"rewards {name}, which is not this case's diagnosis", True)
    if found := _ORDERS.match(text):
        yield from _examination(criterion, _ARTICLE.sub("", found[1]), setting)


def _examination(criterion: Criterion, name: str, setting: Setting) -> Iterator[Problem]:
    asked = [found.exam for found in match(name)]
    exams = catalogue().exams
    if setting.age is not None and setting.sex in ("female", "male"):
        impossible = [e for e in asked if not exams[e].possible_for(setting.age, setting.sex)]
        if impossible:
            says = f"asks for {exams[impossible[0]].name}, which cannot be done in this patient"
            yield Problem(criterion.id, "unreachable", says, True)
            return
    recorded = {leaf for one in setting.examinations for found in match(one) for leaf in catalogue().leaves(found.exam)}
    wanted = {leaf for exam in asked for leaf in catalogue().leaves(exam)}
    if setting.examinations and wanted and not wanted & recorded:
        says = f"asks for {name}, of which this case has no result"
        yield Problem(criterion.id, "not_in_case", says)
