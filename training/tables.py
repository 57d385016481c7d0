"""What the page of an evaluation shows of its summary: measures with intervals, pictures, published rows beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from clinic.gate_charts import SIZE, reliability_chart
from training.evaluation import published
from training.evaluation.comparison import Difference
from training.evaluation.published import Reported
from training.models import Evaluation, Protocol

WIDTH = 160.0
"""Of an interval's axis, in SVG units, from 0 to 1."""
SHARES = (
    ("accuracy", "Diagnosis right"),
    ("accuracy_over_oracle", "… relative to the greedy oracle"),
    ("rubric", "Rubric score"),
    ("rubric_published", "Rubric score, published formula"),
    ("coverage", "Criteria that could be judged"),
    ("hit_ratio", "Next examination was in the record"),
    ("hit_remaining", "… and was still to come"),
    ("hit_new", "… and was not yet done"),
    ("precision", "Examinations: precision"),
    ("recall", "Examinations: recall"),
    ("f1_mean_per_case", "Examinations: F1, mean over cases"),
    ("f1_of_means", "Examinations: F1 of mean precision and recall"),
    ("completed", "Ended with a diagnosis"),
    ("deferred", "Deferred"),
    ("accuracy_in_scope", "Diagnosis right, of conditions it was taught"),
    ("deferred_in_scope", "Deferred, of conditions it was taught"),
    ("deferred_out_of_scope", "Deferred, of conditions it was not taught"),
    ("malformed", "Broke off, answers were no action"),
    ("capped", "Ran out of turns or tokens"),
    ("diagnosed_early", "Diagnosed where an examination was asked for"),
    ("ece", "Calibration error (ECE)"),
    ("brier", "Brier score"),
    ("area_under_risk", "Area under risk and coverage"),
)
AMOUNTS = (
    ("turns", "Agent actions"),
    ("examinations", "Examinations ordered"),
    ("cost", "Cost, US dollars"),
    ("undecided", "Diagnoses the table could not decide, counted as wrong"),
    ("vetoed", "Consultations that did what must never be done"),
    ("errors", "Cases without an outcome"),
)


DIFFERENCES = {
    "accuracy": ("Diagnosis right", True),
    "hits": ("Next examination was in the record, share per case", True),
    "rubric": ("Rubric score", True),
    "coverage": ("Criteria that could be judged", True),
    "f1": ("Examinations: F1, mean over cases", True),
    "f1_of_means": ("Examinations: F1 of mean precision and recall", True),
    "precision": ("Examinations: precision", True),
    "recall": ("Examinations: recall", True),
    "turns": ("Agent actions", False),
    "examinations": ("Examinations ordered", False),
    "cost": ("Cost, US dollars", False),
}
"""Words of training.evaluation.comparison's measures, and whether each is a share of 0 to 1."""


@dataclass(frozen=True, slots=True)
class DifferenceRow:
    """A difference in words, and where it lies on an axis of WIDTH units from -1 to 1."""

    name: str
    is_share: bool
    told: Difference

    @property
    def at(self) -> float:
        return _place(self.told.difference)

    @property
    def start(self) -> float:
        return _place(self.told.low)

    @property
    def length(self) -> float:
        return _place(self.told.high) - _place(self.told.low)

    @property
    def is_clear(self) -> bool:
        """The interval leaves 0 out."""
        return self.told.low > 0 or self.told.high < 0


def difference_rows(measures: Sequence[Difference]) -> list[DifferenceRow]:
    return [DifferenceRow(*DIFFERENCES[measure.name], measure) for measure in measures]


def _place(difference: float) -> float:
    return (min(max(difference, -1.0), 1.0) + 1) / 2 * WIDTH


@dataclass(frozen=True, slots=True)
class Measure:
    """A number with its 95 % interval, and where these lie on an axis of WIDTH units."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    is_share: bool = True

    @property
    def at(self) -> float:
        return min(max(self.value, 0.0), 1.0) * WIDTH

    @property
    def start(self) -> float:
        return (self.low or 0.0) * WIDTH

    @property
    def length(self) -> float:
        return max((self.high or 0.0) - (self.low or 0.0), 0.0) * WIDTH


def tables_of(evaluation: Evaluation) -> dict[str, Any]:
    """The context of the page; empty tables where a protocol does not measure something."""
    summary = evaluation.summary
    centres = summary.get("centres") or {}
    return {
        "shares": list(_measures(summary, SHARES)),
        "amounts": [Measure(m.name, m.value, m.low, m.high, is_share=False) for m in _measures(summary, AMOUNTS)],
        "reliability": _reliability(summary),
        "risk": _risk(summary),
        "subgroups": summary.get("subgroups") or {},
        "centres": [(name, list(_measures(told, SHARES[:1]))) for name, told in centres.items()]
        if len(centres) > 1
        else [],
        "ours": {name: _percent(summary.get(name)) for name, _ in SHARES},
        "published": _published(evaluation),
        "f1": {"v1": _percent(summary.get("f1_of_means")), "v2": _percent(summary.get("f1_mean_per_case"))},
    }


def _measures(summary: dict[str, Any], names: tuple[tuple[str, str], ...]) -> Iterator[Measure]:
    intervals = summary.get("ci") or {}
    for key, name in names:
        if summary.get(key) is not None:
            low, high = intervals.get(key) or (None, None)
            yield Measure(name, float(summary[key]), low, high)


def _reliability(summary: dict[str, Any]) -> dict[str, Any] | None:
    bars = summary.get("reliability") or []
    points = [{"probability": bar["stated"], "right": bar["correct"], "n": bar["n"]} for bar in bars]
    return reliability_chart(points) if points else None


def _risk(summary: dict[str, Any]) -> dict[str, Any] | None:
    """Share of answers that are wrong, over the share of cases that are answered, surest first."""
    points = [(p["coverage"] * SIZE, (1 - p["risk"]) * SIZE) for p in summary.get("risk_coverage") or []]
    return {"size": SIZE, "line": " ".join(f"{x:.1f},{y:.1f}" for x, y in points)} if points else None


def _published(evaluation: Evaluation) -> dict[str, list[Reported]]:
    """v1 and v2 apart: their definitions differ."""
    if evaluation.protocol == Protocol.RUBRIC:
        found = [row for row in published.rows() if row.rubric is not None]
    else:
        found = list(published.rows())
    return {version: [row for row in found if row.version == version] for version in ("v1", "v2")}


def _percent(share: float | None) -> float | None:
    return None if share is None else share * 100
