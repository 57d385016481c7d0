"""The one way by which a judge's verdicts become rewards: only on criteria on which it agrees with physicians."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.rubrics import Criterion
from clinic.models import RubricVersion
from clinic.services.errors import Refused
from training import instrument
from training.instrument import Report

SENTENCES = {
    "none": "Nothing of {rubric}, version {number}, may be a reward by this judge. {reasons}.",
    "empty": "{rubric}, version {number}, has no criteria to reward.",
}


def criteria_for_reward(
    version: RubricVersion, *, identity: Mapping[str, Any] | None = None, report: Report | None = None
) -> list[Criterion]:
    """The criteria whose verdicts by this judge may be a reward (instrument.FLOOR), in the rubric's order.

    `identity` None is the configured judge; a `report` of the same two spares reading it again. Raises Refused, with
    every criterion's reason, where none is left: a rubric's score over the rest would reward what nobody vouches for.
    """
    report = report or instrument.report(version, identity=identity)
    told = {"rubric": version.rubric.title, "number": version.number}
    if not report.criteria:
        raise Refused(SENTENCES["empty"].format(**told))
    allowed = {row.key for row in report.criteria if row.rewardable}
    if not allowed:
        reasons = "; ".join(f"{row.text}: {row.why}" for row in report.criteria)
        raise Refused(SENTENCES["none"].format(**told, reasons=reasons))
    rows = version.criteria.filter(kept=True, key__in=allowed).order_by("position")
    return [row.as_criterion() for row in rows]
