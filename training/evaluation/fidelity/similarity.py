"""Step similarity, 0 (opposite) to 5 (equivalent): what a written result tells a clinician against the true one.

After the published scale of DiagGym (arXiv 2510.24654), there scored by GPT-4o. Here rules by default, or a model.
Which of them judged is part of every number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from agents.judge import JudgeError
from agents.knowledge.catalogue import catalogue
from agents.world.plausibility.limits import in_catalogue_unit
from agents.world.plausibility.reading import Quantity, Reading, analyte, negated, read
from training.evaluation.fidelity.bleu import tokens
from training.evaluation.fidelity.draws import Drawn
from training.evaluation.fidelity.resampling import Interval, ratio_ci

BEST = 5.0
FAR = 1.0
"""Relative difference from which two values on one side of normal are no longer alike."""


class JudgesSimilarity(Protocol):
    """Scores one written result against the true one, 0..5; JudgeError where it cannot. `name` is reported."""

    name: str

    async def similarity(self, exam: str, truth: str, drawn: str) -> float: ...


class RuleSimilarity:
    """Compares numbers, their side of normal, known reports and signs, then words with their negation.

    A number: 0 on the opposite side of normal, up to 2 where one is normal and the other is not, else 3 to 5 by
    closeness. Known reports: 5 the same, 2 both abnormal, 0 normal against abnormal; signs likewise, each by itself;
    other sentences: 5 x F1 of their words. A part that is missing scores 0.
    """

    name = "rules"

    async def similarity(self, exam: str, truth: str, drawn: str) -> float:
        return score(exam, truth, drawn)


@dataclass(frozen=True, slots=True)
class Similarity:
    """Mean over the steps that were judged; `unjudged` are failures of the judge, never scores."""

    value: float | None
    interval: Interval
    judged: int
    unjudged: int
    judge: str


async def measure(rows: Sequence[Drawn], judge: JudgesSimilarity | None = None, *, seed: int = 0) -> Similarity:
    """The step similarity of all draws of these rows, patients resampled whole for its interval."""
    judge = judge or RuleSimilarity()
    found: list[tuple[str, float]] = []
    failed = 0
    for row in rows:
        for said in row.draws:
            try:
                found.append((row.case, await judge.similarity(row.exam, row.truth, said)))
            except JudgeError:
                failed += 1
    if not found:
        return Similarity(None, None, 0, failed, judge.name)
    scores = [value for _, value in found]
    interval = ratio_ci(scores, [1.0] * len(scores), [case for case, _ in found], seed=seed)
    return Similarity(sum(scores) / len(scores), interval, len(scores), failed, judge.name)


def score(exam: str, truth: str, drawn: str) -> float:
    """The rules' verdict on one result, 0..5."""
    true, said = read(exam, truth), read(exam, drawn)
    parts = [_number(told, said.by_key.get(key)) for key, told in true.by_key.items()]
    parts += _facts(true, said)
    if not parts:
        parts = [_words(true, said)] if true.sentences else [BEST * (truth.strip() == drawn.strip())]
    return sum(parts) / len(parts)


def _number(true: Quantity, said: Quantity | None) -> float:
    if said is None:
        return 0.0
    x, y = _comparable(true, said)
    if x is None or y is None:
        return 0.0
    apart = abs(x - y) / max(abs(x), abs(y), 1e-12)
    close = max(0.0, 1 - apart / FAR)
    sides = _side(true, x, true), _side(said, y, true)
    if sides in (("-", "+"), ("+", "-")):
        return 0.0
    return 2 * close if sides[0] != sides[1] else 3 + 2 * close


def _comparable(true: Quantity, said: Quantity) -> tuple[float | None, float | None]:
    """Both in the catalogue's unit; of an unknown sub-test as written, if the units are the same."""
    if analyte(true.exam):
        return in_catalogue_unit(true), in_catalogue_unit(said)
    return true.value, said.value if said.unit.lower() == true.unit.lower() else None


def _side(quantity: Quantity, value: float, true: Quantity) -> str:
    """-, 0 or +: by the true result's interval (both are of one patient), its flag, or the catalogue's interval."""
    if true.low is not None and true.high is not None and quantity.unit.lower() == true.unit.lower():
        return "-" if quantity.value < true.low else "+" if quantity.value > true.high else "0"
    if quantity.flag:
        return "-" if quantity.flag.startswith("L") else "+"
    known = analyte(quantity.exam)
    if known is None:
        return "0"
    low, high = next(iter(known.ref.values()))
    return "-" if value < low else "+" if value > high else "0"


def _facts(true: Reading, said: Reading) -> list[float]:
    """Known reports and signs of the true result, each against what was written about it."""
    return [_fact(key, fact, said) for key, fact in true.facts.items()]


def _fact(key: str, fact: bool | str, said: Reading) -> float:
    mine = said.facts.get(key)
    if mine == fact:
        return BEST
    if isinstance(fact, bool) or mine is None:
        return 0.0
    normal = catalogue().exams[key].results[0].id
    return 0.0 if normal in (fact, mine) else 2.0


def _words(true: Reading, said: Reading) -> float:
    """5 x F1 of the words, each with whether its sentence denies."""
    wanted, written = _signed(true), _signed(said)
    shared = sum((wanted & written).values())
    total = sum(wanted.values()) + sum(written.values())
    return BEST * 2 * shared / total if total else 0.0


def _signed(reading: Reading) -> Counter[tuple[str, bool]]:
    return Counter(
        (word.lower(), negated(sentence))
        for _, sentence in reading.sentences
        for word in tokens(sentence)
        if word.isalnum()
    )
