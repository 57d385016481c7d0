"""What single facts say for and against a condition, and how one examination would move a differential."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from agents.knowledge.conditions import Condition
from agents.world.frame import Frame, UnknownPresentation, frame
from agents.world.oracle import Belief, Evidence
from agents.world.outcomes import Outcomes, Parts

Array = NDArray[np.float64]
DRAWS = 64
SHOWN = 0.02
"""A change of probability below two percent points moves nobody."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """P(fact | condition) / P(fact | the other conditions of this presentation), and the grade of its number."""

    evidence: Evidence
    ratio: float
    confidence: str
    """A to D of the authored number; D too where the background rate stands in for one."""

    @property
    def bits(self) -> float:
        return float(np.log2(max(self.ratio, 1e-9)))


@dataclass(frozen=True, slots=True)
class Shift:
    """One condition's probability before and after an outcome."""

    condition: str
    before: float
    after: float

    @property
    def change(self) -> float:
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class Outcome:
    """One main outcome of an examination: its probability and whom it moves, the largest change first.

    `result` is the id of a categorical result; "" where values are summed up by the condition they point to.
    """

    result: str
    points_to: str
    probability: float
    shifts: tuple[Shift, ...]


def presentation(group: str | None, age: float | None, sex: str, condition: str | None = None) -> Frame | None:
    """The frame in which a condition (if one is named) is judged: its complaint's, else that of all complaints.

    None where age or sex is not known, or the condition cannot be had at that age and sex.
    """
    if age is None or sex not in ("male", "female"):
        return None
    for complaint in (group, None) if group else (None,):
        try:
            found = frame(complaint, age, sex)
        except UnknownPresentation:
            continue
        if condition is None or condition in found.ids:
            return found
    return None


def ratios(base: Frame, condition: str, items: Sequence[Evidence]) -> list[Ratio]:
    """Of each fact taken alone, the strongest first; raises KeyError for a condition that is not in the frame."""
    n = base.ids.index(condition)
    told = base.model.known.conditions[condition]
    found = [Ratio(item, ratio_of(base, n, item), confidence_of(told, item)) for item in items if usable(base, item)]
    return sorted(found, key=lambda one: -abs(one.bits))


def usable(base: Frame, item: Evidence) -> bool:
    """Whether the model knows this fact and it is possible at this age and sex."""
    finding = base.model.known.findings.get(item.id)
    if finding is not None:
        return isinstance(item.value, bool) and finding.possible_for(base.age, base.sex)
    exam = base.model.known.catalogue.exams.get(item.id)
    if exam is None or isinstance(item.value, bool):
        return False
    if isinstance(item.value, str):
        return item.value in [pattern.id for pattern in exam.results]
    return exam.analyte is not None and exam.analyte.rule is None


def ratio_of(base: Frame, n: int, item: Evidence) -> float:
    """Posterior odds over prior odds after this fact alone: exact, latents summed out."""
    if len(base.prior) < 2:
        return 1.0
    before, after = float(base.prior[n]), float(_after(base, item)[n])
    return (after / max(1 - after, 1e-12)) / (before / max(1 - before, 1e-12))


_alone: dict[tuple[int, str, object], tuple[Frame, Array]] = {}


def _after(base: Frame, item: Evidence) -> Array:
    """P(D | one fact); the same few facts are asked for at every turn, for every condition."""
    key = (id(base), item.id, item.value)
    kept = _alone.get(key)
    if kept is None or kept[0] is not base:
        if len(_alone) > 4096:
            _alone.clear()
        kept = _alone[key] = (base, Belief(base).add([item]).posterior())
    return kept[1]


def confidence_of(condition: Condition, item: Evidence) -> str:
    """The grade of the authored number behind a fact."""
    if isinstance(item.value, bool):
        told = condition.findings.get(item.id)
        return told.confidence if told else "D"
    if isinstance(item.value, str):
        rate = condition.exams.get(item.id, {}).get(item.value)
        return rate.confidence if rate else "D"
    value = condition.values.get(item.id)
    return value.confidence if value else "D"


def outcomes(base: Frame, items: Sequence[Evidence], exam: str, most: int = 3) -> tuple[Outcome, ...]:
    """The main outcomes of an examination given the facts, the likeliest first; empty if all of it is known.

    Categorical results are summed exactly; values, and panels, by Monte Carlo, gathered by the condition that each
    drawn result points to. Raises KeyError for an unknown examination.
    """
    return _outcomes(base.group, base.age, base.sex, tuple(item for item in items if usable(base, item)), exam, most)


@lru_cache(maxsize=256)
def _outcomes(
    group: str | None, age: float, sex: str, items: tuple[Evidence, ...], exam: str, most: int
) -> tuple[Outcome, ...]:
    belief = Belief(frame(group, age, sex)).add(items)
    parts = Parts(belief, exam)
    if not parts.any:
        return ()
    found = _exact(belief, parts) if parts.single else _gathered(belief, parts.sampled(DRAWS))
    moving = [outcome for outcome in found if outcome.shifts]
    return tuple(sorted(moving, key=lambda outcome: -outcome.probability)[:most])


def _exact(belief: Belief, parts: Parts) -> list[Outcome]:
    done = parts.exact()
    if parts.results:
        names = [pattern.id for pattern in belief.frame.model.known.catalogue.exams[parts.results[0]].results]
    else:
        sign = belief.frame.model.findings[parts.signs[0]].id
        names = [sign, f"no {sign}"]
    return [_outcome(belief, name, w, p) for name, w, p in zip(names, done.weight, done.posterior, strict=True)]


def _gathered(belief: Belief, drawn: Outcomes) -> list[Outcome]:
    leading = drawn.posterior.argmax(axis=1)
    found = []
    for n in np.unique(leading):
        share = drawn.weight[leading == n]
        found.append(_outcome(belief, "", share.sum(), share @ drawn.posterior[leading == n] / share.sum()))
    return found


def _outcome(belief: Belief, result: str, weight: float, after: Array) -> Outcome:
    now, ids = belief.posterior(), belief.frame.ids
    order = np.argsort(-np.abs(after - now), kind="stable")
    shifts = [Shift(ids[n], float(now[n]), float(after[n])) for n in order if abs(after[n] - now[n]) >= SHOWN]
    return Outcome(result, ids[int(after.argmax())], float(weight), tuple(shifts[:4]))
