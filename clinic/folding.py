"""Verdicts of single turns folded into one for each criterion, which is what a score is computed from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from agents import rubrics
from agents.rubrics import Verdict
from clinic.models import Rating, RubricCriterion

UNDECIDED = (Verdict.ERROR, Verdict.CANNOT_TELL)


def folded(criteria: Sequence[RubricCriterion], ratings: Iterable[Rating]) -> list[rubrics.Rating]:
    """One rating for each rated criterion: a penalty is met where any turn met it, a reward where every turn did.

    Turns to which it does not apply are left out; an undecided turn leaves the whole open unless another decides it.
    """
    rows: dict[int, list[Rating]] = defaultdict(list)
    for rating in ratings:
        rows[rating.criterion_id].append(rating)
    return [_folded(criterion, rows[criterion.pk]) for criterion in criteria if rows[criterion.pk]]


def _folded(criterion: RubricCriterion, rows: Sequence[Rating]) -> rubrics.Rating:
    verdict = _whole([Verdict(row.verdict) for row in rows], penalty=criterion.points < 0)
    quoted = next((row for row in rows if row.evidence and row.verdict == verdict), None)
    quoted = quoted or next((row for row in rows if row.verdict == verdict), rows[0])
    return rubrics.Rating(criterion.key, verdict, quoted.evidence, quoted.evidence_turn, quoted.reason)


def _whole(verdicts: Sequence[Verdict], *, penalty: bool) -> Verdict:
    applicable = [verdict for verdict in verdicts if verdict is not Verdict.NOT_APPLICABLE]
    if not applicable:
        return Verdict.NOT_APPLICABLE
    decides = Verdict.MET if penalty else Verdict.NOT_MET
    if decides in applicable:
        return decides
    open_ = [verdict for verdict in UNDECIDED if verdict in applicable]
    return open_[0] if open_ else applicable[0]
