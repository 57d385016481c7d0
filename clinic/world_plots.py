"""Small drawings of draws against the truth: dots over a box of quantiles, and counts beside probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from agents.knowledge.catalogue import Analyte
from agents.world import scales
from agents.world.plausibility.limits import in_catalogue_unit
from agents.world.plausibility.reading import read
from clinic.models import WorldDraw
from clinic.world_truth import ChoiceTruth, NumberTruth, Truth

WIDTH, MARGIN = 300.0, 10.0
RARE = 0.05
"""Probability below which a report that nobody drew is not shown."""
JITTER = (0.0, -4.0, 4.0, -2.0, 2.0)
"""Dots of like values are set apart, always in the same way."""


@dataclass(frozen=True, slots=True)
class Dot:
    x: float
    y: float
    label: str


@dataclass(frozen=True, slots=True)
class NumberRow:
    """One value: everything as positions on an axis of WIDTH units."""

    truth: NumberTruth
    dots: list[Dot]
    reference: tuple[float, float]
    """Left edge and width."""
    own: float
    box: tuple[float, float, float, float, float] | None
    """The quantiles."""
    ends: tuple[str, str]

    @property
    def numeric(self) -> bool:
        return True

    @property
    def box_width(self) -> float:
        return self.box[3] - self.box[1] if self.box else 0.0


@dataclass(frozen=True, slots=True)
class ChoiceRow:
    """One way a report can read: its probability and how many of the draws read so."""

    truth: ChoiceTruth
    count: int
    of: int

    @property
    def numeric(self) -> bool:
        return False

    @property
    def worth_showing(self) -> bool:
        """Rare ways to read are left out, unless they were drawn or are this patient's own."""
        return self.truth.probability >= RARE or self.count > 0 or self.truth.own

    @property
    def expected(self) -> float:
        return self.truth.probability * WIDTH

    @property
    def drawn(self) -> float:
        return self.count / self.of * WIDTH if self.of else 0.0


@dataclass(slots=True)
class Seen:
    """What the accepted draws say, read once."""

    numbers: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    facts: list[dict[str, bool | str]] = field(default_factory=list)


def rows(truths: Sequence[Truth], draws: dict[int, WorldDraw]) -> list[NumberRow | ChoiceRow]:
    """A row per value or report; draws that the monitor refused have no place in it."""
    seen = _seen(draws)
    found = [
        _number(truth, seen) if isinstance(truth, NumberTruth) else ChoiceRow(truth, *_count(truth, seen))
        for truth in truths
    ]
    return [row for row in found if isinstance(row, NumberRow) or row.worth_showing]


def _seen(draws: dict[int, WorldDraw]) -> Seen:
    seen = Seen()
    for number, draw in draws.items():
        if not draw.accepted:
            continue
        reading = read(draw.examination, draw.text)
        for quantity in reading.quantities:
            value = in_catalogue_unit(quantity)
            if quantity.exam and value is not None:
                seen.numbers.setdefault(quantity.exam, []).append((value, f"draw {number + 1}: {value:g}"))
        seen.facts.append(dict(reading.facts))
    return seen


def _number(truth: NumberTruth, seen: Seen) -> NumberRow:
    analyte = truth.exam.analyte
    assert analyte is not None
    told = seen.numbers.get(truth.exam.id, [])
    marks = [truth.own, truth.low, truth.high, *(truth.quantiles or ()), *(value for value, _ in told)]
    at = _axis(analyte, marks)
    dots = [Dot(at(value), JITTER[n % len(JITTER)], label) for n, (value, label) in enumerate(told)]
    left = at(truth.low)
    box = truth.quantiles and tuple(at(quantile) for quantile in truth.quantiles)
    ends = (f"{min(marks):.{analyte.decimals}f}", f"{max(marks):.{analyte.decimals}f}")
    return NumberRow(truth, dots, (left, at(truth.high) - left), at(truth.own), box, ends)  # type: ignore[arg-type]


class _axis:
    """Positions on the analyte's own scale, the outermost marks at the margins."""

    def __init__(self, analyte: Analyte, marks: Sequence[float]) -> None:
        self.analyte = analyte
        self.tiny = scales.resolution(analyte)
        placed = [self._forward(mark) for mark in marks]
        self.low, self.high = min(placed), max(placed)

    def __call__(self, mark: float) -> float:
        span = (self.high - self.low) or 1.0
        return MARGIN + (self._forward(mark) - self.low) / span * (WIDTH - 2 * MARGIN)

    def _forward(self, mark: float) -> float:
        if self.analyte.scale == "deficit":  # this scale runs the other way
            return -scales.forward(self.analyte, min(mark, 100.0))
        return float(scales.forward(self.analyte, max(mark, self.tiny) if self.analyte.scale == "log" else mark))


def _count(truth: ChoiceTruth, seen: Seen) -> tuple[int, int]:
    """How many draws say so, of those that say anything about it."""
    if truth.exam.results:
        told = [facts[truth.exam.id] for facts in seen.facts if truth.exam.id in facts]
        return sum(one == truth.key for one in told), len(told)
    told = [facts[truth.key] for facts in seen.facts if truth.key in facts]
    return sum(bool(one) for one in told), len(told)
