"""What the pages of runs show: progress, time left, curves, how it came to be, what may be done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from statistics import median
from typing import Any

from django.utils import timezone

from clinic.models import User
from training import run_curves, run_notes
from training.models import Run, RunMetric, RunStatus

Verb = Callable[[], Run]
TONES = {"queued": "accent", "running": "accent", "succeeded": "ok", "failed": "caution", "cancelled": ""}
FEWEST_FOR_TIME = 2
WINDOW = 20
"""The last steps by which the time left is reckoned."""


@dataclass(frozen=True, slots=True)
class Row:
    """One run of the list."""

    run: Run
    tone: str
    percent: float | None
    spark: str
    measure: str


def rows(runs: list[Run]) -> list[Row]:
    """With a spark of the reward, or of the loss, each."""
    measured = run_curves.sparks([run.pk for run in runs])
    return [Row(run, TONES[run.status], percent(run), *measured.get(run.pk, ("", ""))) for run in runs]


def percent(run: Run) -> float | None:
    if run.status == RunStatus.SUCCEEDED:
        return 100.0
    return 100.0 * run.step / run.steps if run.steps else None


def live(run: Run, user: User) -> dict[str, Any]:
    """What changes while it runs."""
    metrics = run_curves.read(run, newest=WINDOW)
    return {
        "run": run,
        "tone": TONES[run.status],
        "percent": percent(run),
        "left": time_left(run, metrics[-WINDOW:]),
        "silent": is_silent(run),
        "charts": run_curves.charts(metrics),
        "notes": run_notes.notes(run, metrics),
        "last": metrics[-1] if metrics else None,
        "is_alive": run.is_alive,
        "may": may(run, user),
    }


def whole(run: Run, user: User) -> dict[str, Any]:
    """The page."""
    return {
        **live(run, user),
        "history": list(run.history().select_related("by")),
        "settings": sorted(run.config.items()),
        "counts": flat(run.manifest.get("counts", {})),
        "provenance": run.manifest.get("provenance", {}),
        "clones": list(run.clones.all()[:20]),
    }


def may(run: Run, user: User) -> dict[str, bool]:
    """Which buttons this person gets."""
    admin = user.is_site_admin and user.site_id == run.site_id
    return {
        "cancel": admin and run.is_alive and (run.cancel_asked_at is None or is_silent(run)),
        "resume": admin and run.status in (RunStatus.FAILED, RunStatus.CANCELLED),
        "clone": admin,
    }


def is_silent(run: Run) -> bool:
    """Its worker has not been heard of for longer than its lease."""
    return run.status == RunStatus.RUNNING and (run.lease_until is None or run.lease_until < timezone.now())


def time_left(run: Run, metrics: list[RunMetric]) -> timedelta | None:
    """By the pace of the last steps; None before there is one."""
    if run.status != RunStatus.RUNNING or not run.steps or len(metrics) < FEWEST_FOR_TIME:
        return None
    pace = _pace(metrics)
    return timedelta(seconds=round(pace * max(0, run.steps - run.step))) if pace else None


def _pace(metrics: list[RunMetric]) -> float:
    """Seconds a step: what the trainer measured, else by when the lines came."""
    told = [row.values["seconds"] for row in metrics if isinstance(row.values.get("seconds"), int | float)]
    if told:
        return float(sum(told)) / len(told)
    # Lines are read together once a second, and those of before a pause again after it: only the last of each
    # reading has a time that says something, and a pause is one long step among many.
    ends = list({row.at: row for row in metrics}.values())
    paces = [(after.at - row.at).total_seconds() / (after.step - row.step) for row, after in pairwise(ends)]
    return median(paces) if paces else 0.0


def flat(table: Any, before: str = "") -> list[tuple[str, Any]]:
    """(name, value) of a table of tables, names joined by a comma."""
    if not isinstance(table, dict):
        return [(before, table)]
    found = (flat(value, f"{before}, {name}" if before else str(name)) for name, value in table.items())
    return [(name.replace("_", " "), value) for rows in found for name, value in rows]
