"""From what was played to the outcome of every check, and of the gate; "undecided" is not a pass (decisions.md 23)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import nan
from typing import Any

from training.gates import measures
from training.gates.inference import (
    ALPHA,
    FEWEST,
    Difference,
    compare,
    compare_calibration,
    holm,
    mean_bounds,
    share_bounds,
)
from training.gates.measures import MEASURES
from training.gates.playing import SIDES, Material, as_numbers
from training.gates.profiles import Profile, Wanted
from training.gates.subgroups import worst_of
from training.models import CheckKind, CheckOutcome, GateStatus

NOT_RUN = "Nothing was measured."
FEW = "Only {n} cases tell something about it, and {needed} are needed: too few to decide."


@dataclass(frozen=True, slots=True)
class Result:
    """The fields of one GateCheck; differences are candidate minus baseline as measured."""

    name: str
    kind: str
    outcome: str
    may_be_missing: bool = False
    candidate: float | None = None
    baseline: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    margin: float | None = None
    p: float | None = None
    n: int = 0
    why: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)

    def fields(self) -> dict[str, Any]:
        return {**asdict(self), "title": measures.title(self.name)}


def decide(profile: Profile, material: Material, *, identity: Mapping[str, bool], seed: int = 0) -> list[Result]:
    """Every check of the profile, in its order."""
    found = {wanted.name: _difference(wanted.name, material, seed) for wanted in profile.checks}
    tested = {w.name: w for w in profile.checks if w.kind == CheckKind.NON_INFERIOR and found[w.name]}
    p = {name: _p(found[name], wanted) for name, wanted in tested.items()}
    adjusted = holm(p)
    rows = [_result(w, found[w.name], adjusted.get(w.name), material, identity, seed) for w in profile.checks]
    return [_with_enough(row, profile.at_least if row.kind == CheckKind.PRIMARY else FEWEST) for row in rows]


def _with_enough(row: Result, needed: int) -> Result:
    """What rests on a handful of cases is open, whatever they say (the primary endpoint needs those of the gate)."""
    compared = row.name in MEASURES and row.kind in (CheckKind.PRIMARY, CheckKind.NON_INFERIOR)
    if not compared or row.outcome == CheckOutcome.NOT_RUN or row.n >= needed:
        return row
    return replace(row, outcome=CheckOutcome.UNDECIDED, why=FEW.format(n=row.n, needed=needed))


def verdict(results: Sequence[Result]) -> str:
    """The gate's status: what failed, else what is open, else passed."""
    counted = [row for row in results if row.kind != CheckKind.INFORMATIVE]
    if any(row.outcome == CheckOutcome.FAILED for row in counted):
        return GateStatus.FAILED
    open_ones = [row for row in counted if row.outcome == CheckOutcome.UNDECIDED]
    open_ones += [row for row in counted if row.outcome == CheckOutcome.NOT_RUN and not row.may_be_missing]
    primary = [row for row in counted if row.kind == CheckKind.PRIMARY and row.outcome == CheckOutcome.PASSED]
    return GateStatus.PASSED if primary and not open_ones else GateStatus.UNDECIDED


def pairs(material: Material) -> int:
    """Cases that have an outcome on both sides."""
    return sum(all(row is not None for row in both) for both in zip(*material.rows.values(), strict=True))


def _difference(name: str, material: Material, seed: int) -> Difference | None:
    if name == "calibration":
        sides = [
            (as_numbers(material.rows[side], "stated"), as_numbers(material.rows[side], "accuracy")) for side in SIDES
        ]
        return compare_calibration(*sides, seed=seed)
    values = {"pass_at_k": material.right_of_k, "judge": material.judged, "physicians": material.physicians}.get(name)
    if values is None and name in MEASURES:
        values = {side: as_numbers(material.rows[side], name) for side in SIDES}
    if not values:
        return None
    return compare(values["candidate"], values["baseline"], span=MEASURES[name].span, seed=seed)


def _p(found: Difference | None, wanted: Wanted) -> float:
    assert found is not None
    assert wanted.margin is not None
    return found.p_worse(wanted.margin, higher=MEASURES[wanted.name].higher)


def _result(
    wanted: Wanted,
    found: Difference | None,
    adjusted: float | None,
    material: Material,
    identity: Mapping[str, bool],
    seed: int,
) -> Result:
    special = {"subgroups": _subgroups, "sentinel": _sentinel, "divergence": _divergence, "shadow": _shadow}
    if wanted.name == "identity":
        row = _identity(wanted, identity)
    elif wanted.name in special:
        row = special[wanted.name](wanted, material, seed)
    elif found is None:
        row = _base(wanted, CheckOutcome.NOT_RUN)
    else:
        row = _compared(wanted, found, adjusted)
    if row.outcome == CheckOutcome.NOT_RUN:
        return replace(row, why=material.missing.get(wanted.name, NOT_RUN))
    return row


def _base(wanted: Wanted, outcome: str, **more: Any) -> Result:
    return Result(wanted.name, wanted.kind, outcome, may_be_missing=wanted.may_be_missing, **more)


def _compared(wanted: Wanted, found: Difference, adjusted: float | None) -> Result:
    told = {
        "candidate": found.candidate,
        "baseline": found.baseline,
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "margin": wanted.margin,
        "n": found.n,
        "detail": {"wins": found.wins, "losses": found.losses, "higher": MEASURES[wanted.name].higher},
    }
    if wanted.kind == CheckKind.PRIMARY:
        p = found.p_equal()
        return _base(wanted, _improved(found, p, wanted.name), p=p, why=_why_improved(found, p), **told)
    if wanted.kind == CheckKind.NON_INFERIOR:
        assert adjusted is not None
        outcome = _no_worse(found, wanted, adjusted)
        return _base(wanted, outcome, p=adjusted, why=_why_no_worse(outcome, adjusted), **told)
    return _base(wanted, CheckOutcome.PASSED, why="Shown, not judged.", **told)


def _improved(found: Difference, p: float, name: str) -> str:
    """More is better in every primary endpoint: the database holds it to low > 0."""
    if not MEASURES[name].higher:
        raise ValueError(f"{name} cannot be a primary endpoint: less of it is better")
    if found.low > 0 and p <= ALPHA:
        return CheckOutcome.PASSED
    return CheckOutcome.FAILED if found.high < 0 else CheckOutcome.UNDECIDED


def _why_improved(found: Difference, p: float) -> str:
    if found.low > 0 and p <= ALPHA:
        return "Better: the interval leaves 0 out."
    if found.high < 0:
        return "Worse: the whole interval lies below 0."
    return "Not shown to be better: the interval reaches 0." if found.low <= 0 else f"The exact test says p = {p:.3f}."


def _no_worse(found: Difference, wanted: Wanted, adjusted: float) -> str:
    assert wanted.margin is not None
    higher = MEASURES[wanted.name].higher
    low, high = (found.low, found.high) if higher else (-found.high, -found.low)
    if high < -wanted.margin:
        return CheckOutcome.FAILED
    return CheckOutcome.PASSED if low > -wanted.margin and adjusted <= ALPHA / 2 else CheckOutcome.UNDECIDED


def _why_no_worse(outcome: str, adjusted: float) -> str:
    if outcome == CheckOutcome.PASSED:
        return "No worse than the margin allows, after Holm’s correction."
    if outcome == CheckOutcome.FAILED:
        return "Worse than the margin allows: the whole interval lies beyond it."
    return f"Not shown to be within the margin (p = {adjusted:.3f} after Holm’s correction)."


def _identity(wanted: Wanted, identity: Mapping[str, bool]) -> Result:
    """Played only after both were probed, so this row says what was found then."""
    if not identity:
        return _base(wanted, CheckOutcome.NOT_RUN)
    good = all(identity.values())
    said = ", ".join(f"{side}: {'as registered' if ok else 'another answered'}" for side, ok in identity.items())
    outcome = CheckOutcome.PASSED if good else CheckOutcome.FAILED
    return _base(wanted, outcome, n=len(identity), why=f"Fixed probes before and after playing. {said.capitalize()}.")


def _subgroups(wanted: Wanted, material: Material, seed: int) -> Result:
    ours, theirs = (as_numbers(material.rows[side], "accuracy") for side in SIDES)
    groups = [case.subgroups for case in material.cases]
    found = worst_of(ours, theirs, groups, smallest=wanted.smallest or 20, margin=wanted.margin or nan, seed=seed)
    if found is None:
        return _base(wanted, CheckOutcome.NOT_RUN)
    cell = found.worst
    told: dict[str, Any] = {"margin": wanted.margin, "n": cell.n, "detail": {"cells": found.as_rows()}}
    told |= {"candidate": cell.candidate, "baseline": cell.baseline, "difference": cell.difference}
    told |= {"low": cell.low, "high": cell.high, "why": found.why}
    return _base(wanted, found.outcome, **told)


def _sentinel(wanted: Wanted, material: Material, seed: int) -> Result:
    if not material.planted:
        return _base(wanted, CheckOutcome.NOT_RUN)
    mean, low, high = share_bounds(material.planted)
    return _limited(wanted, mean, low, high, len(material.planted))


def _divergence(wanted: Wanted, material: Material, seed: int) -> Result:
    if not material.apart:
        return _base(wanted, CheckOutcome.NOT_RUN)
    mean, low, high = mean_bounds(material.apart, seed=seed)
    row = _limited(wanted, mean, low, high, len(material.apart))
    if wanted.at_most is None or row.n >= FEWEST:
        return row
    return replace(row, outcome=CheckOutcome.UNDECIDED, why=FEW.format(n=row.n, needed=FEWEST))


def _limited(wanted: Wanted, mean: float, low: float, high: float, n: int) -> Result:
    """Against a fixed limit: the whole interval must lie on one side of it."""
    told = {"candidate": mean, "low": low, "high": high, "margin": wanted.at_most, "n": n}
    if wanted.at_most is None:
        return _base(wanted, CheckOutcome.PASSED, why="Shown, not judged.", **told)
    if high <= wanted.at_most:
        return _base(wanted, CheckOutcome.PASSED, why=f"At most {wanted.at_most:g}.", **told)
    outcome = CheckOutcome.FAILED if low > wanted.at_most else CheckOutcome.UNDECIDED
    return _base(wanted, outcome, why=f"Not shown to be at most {wanted.at_most:g}.", **told)


def _shadow(wanted: Wanted, material: Material, seed: int) -> Result:
    if not material.replayed:
        return _base(wanted, CheckOutcome.NOT_RUN)
    mean, low, high = share_bounds(material.replayed)
    why = "Shown, not judged: another action may be the better one."
    return _base(wanted, CheckOutcome.PASSED, candidate=mean, low=low, high=high, n=len(material.replayed), why=why)
