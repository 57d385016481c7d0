"""Small drawings of the knowledge gates: a value against its bounds, and the oracle's reliability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

WIDTH, SIZE = 160.0, 180.0


@dataclass(frozen=True, slots=True)
class GateRow:
    """A gate and where its value and bounds lie on an axis of WIDTH units."""

    name: str
    value: float
    low: float | None
    high: float | None
    holds: bool
    detail: str
    band_x: float
    band_width: float
    at: float


def gate_rows(gates: dict[str, dict[str, Any]]) -> list[GateRow]:
    """What fails first, then by name: the database does not keep the order of a JSON object."""
    return sorted((_row(name, gate) for name, gate in gates.items()), key=lambda row: (row.holds, row.name))


def _row(name: str, gate: dict[str, Any]) -> GateRow:
    low, high = gate["bounds"]
    value = float(gate["value"])
    marks = [bound for bound in (low, high, value) if bound is not None]
    left, right = min(marks), max(marks)
    margin = (right - left) * 0.2 or 1.0
    left, right = left - margin, right + margin

    def at(mark: float) -> float:
        return (mark - left) / (right - left) * WIDTH

    start = at(low) if low is not None else 0.0
    end = at(high) if high is not None else WIDTH
    words = name.replace("_", " ")
    return GateRow(words, value, low, high, gate["holds"], gate["detail"], start, max(end - start, 2.0), at(value))


def reliability_chart(points: list[dict[str, float]]) -> dict[str, Any]:
    """Stated probability against the share that was right, both from 0 to 1, on a square of SIZE units."""
    drawn = [
        {
            "x": point["probability"] * SIZE,
            "y": (1 - point["right"]) * SIZE,
            "r": 3 + min(point["n"], 60) / 20,
            "probability": point["probability"],
            "right": point["right"],
            "n": point["n"],
        }
        for point in points
    ]
    return {"size": SIZE, "points": drawn, "line": " ".join(f"{p['x']:.1f},{p['y']:.1f}" for p in drawn)}
