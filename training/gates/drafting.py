"""A change record's first wording, from rows: what was changed, how it was tried, what moved and what was not run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from training.gates import measures
from training.gates.starting import DECIDED, run_of
from training.models import CheckKind, CheckOutcome, Gate, GateCheck, Run


@dataclass(frozen=True, slots=True)
class Draft:
    """What the form is filled with; people complete and answer for it."""

    modification: str
    protocol: str
    impact: str
    note: str


def draft(gate: Gate) -> Draft:
    return Draft(_modification(gate), _protocol(gate), _impact(gate), _note(gate))


def _modification(gate: Gate) -> str:
    version, run = gate.candidate, run_of(gate.candidate)
    lines = [f"{version.version} in place of {gate.baseline.version}."]
    return " ".join([*lines, *(_learned(run) if run else ["No run of this installation made it."])])


def _learned(run: Run) -> Iterator[str]:
    yield f"Made by {run.get_trainer_display()}, recipe “{run.recipe}”, seed {run.seed}."
    if run.snapshot:
        rows = run.snapshot.feedback_rows.count()
        people = run.snapshot.feedback_rows.values("feedback__by").distinct().count()
        yield f"Learned from snapshot {run.snapshot.digest[:12]}: {rows} rows of feedback by {people} people."
    else:
        yield "No snapshot of feedback was read."


def _protocol(gate: Gate) -> str:
    """The profile is named, so that a demonstration is never taken for more (decisions.md 22)."""
    lines = [
        f"Compared with {gate.baseline.version} on the same {gate.n} sealed virtual patients, by the gate profile"
        f" “{gate.profile}” ({gate.profile_digest[:12]}).",
        f"Primary endpoint, named beforehand: {measures.title(gate.primary)}.",
        "No real patient was part of it.",
    ]
    others = gate.candidate.gates.filter(status__in=DECIDED).exclude(pk=gate.pk)
    lines += [f"Gate {other.pk} by “{other.profile}”: {other.get_status_display().lower()}." for other in others]
    missing = [check.title for check in gate.checks.filter(outcome=CheckOutcome.NOT_RUN)]
    return " ".join([*lines, *([f"Not run: {', '.join(missing)}."] if missing else [])])


def _impact(gate: Gate) -> str:
    checks = list(gate.checks.exclude(outcome=CheckOutcome.NOT_RUN).exclude(difference=None))
    primary = [check for check in checks if check.kind == CheckKind.PRIMARY]
    worse = [check for check in checks if check.kind != CheckKind.PRIMARY and _got_worse(check)]
    lines = [f"Better: {', '.join(map(_moved, primary))}."]
    lines.append(f"Measured worse, within its margin: {', '.join(map(_moved, worse))}." if worse else "")
    lines.append("To watch: defer and override rates, examinations per consultation, calibration on recorded outcomes.")
    return " ".join(filter(None, lines))


def _note(gate: Gate) -> str:
    primary = gate.checks.filter(kind=CheckKind.PRIMARY).first()
    moved = f" In virtual patients: {_moved(primary)}." if primary else ""
    return f"The agent was trained further.{moved} It has not been tried on real patients."


def _got_worse(check: GateCheck) -> bool:
    """By its point estimate; checks against a limit have no better or worse."""
    measure = measures.MEASURES.get(check.name)
    if measure is None or not check.difference:
        return False
    return (check.difference < 0) is measure.higher


def _moved(check: GateCheck) -> str:
    return f"{check.title} {_number(check.baseline)} → {_number(check.candidate)}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}" if abs(value) < 10 else f"{value:.0f}"
