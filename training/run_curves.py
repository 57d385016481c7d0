"""Curves of a run as paths on a small grid: drawn here, so that they need no script and print."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import F, Max, Q
from django.db.models.functions import Greatest, Mod

from training.models import Run, RunMetric

WIDTH, HEIGHT, LEFT, TOP = 280.0, 96.0, 4.0, 6.0
MOST_POINTS = 240
SPARK = (88.0, 22.0)
SPARK_POINTS = 60
CHARTS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("Reward", "mean of an episode", ("reward",)),
    ("Parts of the reward", "before their weights", ()),
    ("Loss", "nats per learned token", ("loss", "val_loss")),
    ("KL to the start", "nats per token", ("kl",)),
    ("Entropy", "nats per token", ("entropy",)),
    ("Trainer against sampler", "mean |difference of log-probabilities|", ("logprob_gap",)),
    ("Length", "agent tokens of an episode", ("length",)),
    ("Turns", "agent actions of an episode", ("turns",)),
    ("Examinations", "share of actions", ("exam_rate",)),
    ("Groups without spread", "share; they teach nothing", ("zero_variance_groups",)),
    ("Malformed", "share of actions", ("malformed",)),
    ("Not scored", "episodes; judge failures", ("unscored", "judge_failures")),
    ("Preferred over rejected", "share of pairs", ("preferred", "val_preferred")),
    ("Margin", "nats, of the preferred over the rejected", ("margin",)),
    ("Implied reward", "nats against the start", ("reward_chosen", "reward_rejected", "reward_good", "reward_bad")),
    ("Gradient", "norm before clipping", ("grad_norm", "norm")),
    ("Speed", "tokens per second", ("tokens_per_second",)),
    ("Learning rate", "", ("lr",)),
)
LEFT_OUT = frozenset({"step", "steps", "seconds", "epoch", "tokens", "kept", "documents", "parts", "reward_parts"})
OF_PARTS = ("parts", "reward_parts")
IMPLIED = frozenset({"reward_chosen", "reward_rejected", "reward_good", "reward_bad"})
"""What DPO and KTO reckon for whole answers; no parts of a reward that a consultation earned."""
MOST_READ = 1000
SPARK_READ = 120


@dataclass(frozen=True, slots=True)
class Series:
    """One line: its name, its SVG path, its last value."""

    name: str
    path: str
    last: float


@dataclass(frozen=True, slots=True)
class Chart:
    """Several lines on one pair of axes; `low` and `high` are its vertical ends."""

    title: str
    unit: str
    series: list[Series]
    low: float
    high: float
    first: int
    last: int

    @property
    def said(self) -> str:
        """For those who do not see it."""
        told = ", ".join(f"{one.name} {one.last:.4g}" for one in self.series)
        return (
            f"{self.title} from step {self.first} to {self.last}: last {told}; from {self.low:.4g} to {self.high:.4g}"
        )


Points = list[tuple[int, float]]


def read(run: Run, *, newest: int) -> list[RunMetric]:
    """Lines of the run by step: every one of a short run, evenly fewer of a long one, and all the `newest`."""
    last = run.metrics.aggregate(last=Max("step"))["last"] or 0
    rows = run.metrics.order_by("step")
    if last > MOST_READ:
        thin = rows.annotate(place=Mod(F("step"), -(-last // MOST_READ)))
        rows = thin.filter(Q(place=0) | Q(step__gt=last - newest))
    return list(rows)


def charts(metrics: Sequence[RunMetric]) -> list[Chart]:
    """Those that have something to draw, in a fixed order; numbers nobody named here come last, each alone."""
    table = columns(metrics)
    parts = {name: table.pop(name) for name in sorted(table) if name.startswith("part ")}
    found = [
        chart(title, unit, {key: table.pop(key) for key in keys if key in table} if keys else parts)
        for title, unit, keys in CHARTS
    ]
    found += [chart(name.replace("_", " ").capitalize(), "", {name: points}) for name, points in sorted(table.items())]
    return [one for one in found if one]


def columns(metrics: Iterable[RunMetric]) -> dict[str, Points]:
    """(step, value) of every number in the lines; parts of the reward by names that begin with "part "."""
    table: dict[str, Points] = defaultdict(list)
    for row in metrics:
        for name, value in row.values.items():
            if name in OF_PARTS and isinstance(value, dict):
                for part, number in value.items():
                    _add(table, f"part {part}", row.step, number)
            elif name.startswith("reward_") and name not in IMPLIED:
                _add(table, f"part {name.removeprefix('reward_')}", row.step, value)
            elif name not in LEFT_OUT:
                _add(table, name, row.step, value)
    return table


def _add(table: dict[str, Points], name: str, step: int, value: Any) -> None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        table[name].append((step, float(value)))


def chart(title: str, unit: str, lines: dict[str, Points]) -> Chart | None:
    """None without a single value."""
    every = [point for points in lines.values() for point in points]
    if not every:
        return None
    low, high = min(value for _, value in every), max(value for _, value in every)
    first, last = min(step for step, _ in every), max(step for step, _ in every)
    bottom, top = (low, high) if high > low else (low - 0.5, high + 0.5)
    series = [
        Series(_named(name), path(thinned(points, MOST_POINTS), (first, last), (bottom, top)), points[-1][1])
        for name, points in lines.items()
        if points
    ]
    return Chart(title, unit, series, low, high, first, last)


def _named(name: str) -> str:
    return name.removeprefix("part ").replace("_", " ")


def thinned(points: Points, most: int) -> Points:
    """At most so many points: means of neighbours, so that a long run stays readable."""
    if len(points) <= most:
        return points
    size = -(-len(points) // most)
    groups = (points[n : n + size] for n in range(0, len(points), size))
    return [(group[-1][0], sum(value for _, value in group) / len(group)) for group in groups]


def path(
    points: Points,
    steps: tuple[int, int],
    values: tuple[float, float],
    size: tuple[float, float] = (WIDTH, HEIGHT),
) -> str:
    """An SVG path through the points; a single one is a short dash, so that it can be seen."""
    wide, high = size[0] - 2 * LEFT, size[1] - 2 * TOP
    over = (steps[1] - steps[0]) or 1
    placed = [
        (
            LEFT + wide * (step - steps[0]) / over,
            TOP + high * (1 - (value - values[0]) / ((values[1] - values[0]) or 1)),
        )
        for step, value in points
    ]
    if len(placed) == 1:
        placed.append((placed[0][0] + 3, placed[0][1]))
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in placed)


def sparks(runs: Sequence[UUID]) -> dict[UUID, tuple[str, str]]:
    """(path, what it is) of the reward, or else of the loss, of each run that has one."""
    found: dict[UUID, dict[str, Points]] = defaultdict(lambda: defaultdict(list))
    every = Greatest(F("run__step") / SPARK_READ, 1)
    told = RunMetric.objects.filter(run__in=runs).annotate(place=Mod(F("step"), every)).filter(place=0)
    told = told.order_by("run", "step")
    for run, step, reward, loss in told.values_list("run", "step", "values__reward", "values__loss"):
        _add(found[run], "reward", step, reward)
        _add(found[run], "loss", step, loss)
    return {run: drawn for run, table in found.items() if (drawn := _spark(table))}


def _spark(table: dict[str, Points]) -> tuple[str, str] | None:
    for name in ("reward", "loss"):
        points = thinned(table.get(name, []), SPARK_POINTS)
        if len(points) > 1:
            low, high = min(value for _, value in points), max(value for _, value in points)
            return path(points, (points[0][0], points[-1][0]), (low, high), SPARK), name
    return None
