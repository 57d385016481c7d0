"""Verdicts of many judgements as tables of units by raters, where a unit is one criterion of one consultation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.rubrics import Verdict
from clinic.folding import folded
from clinic.models import Annotation, Rating, RubricCriterion

Array = NDArray[np.float64]
DECIDED = {Verdict.NOT_MET: 0.0, Verdict.MET: 1.0}
GRADED = {Verdict.NOT_MET: 0.0, Verdict.CANNOT_TELL: 1.0, Verdict.MET: 2.0}
OPEN = (Verdict.CANNOT_TELL, Verdict.ERROR)
"""What lowers coverage (decisions.md 21); not applicable leaves the criterion out."""


class Said(NamedTuple):
    """One criterion's verdict of one judgement, single turns folded."""

    item: object
    rater: object
    criterion: object
    verdict: Verdict


@dataclass(frozen=True)
class VerdictTable:
    """Units sorted by criterion, raters as they came; nan where a rater said nothing that counts."""

    raters: list[Any]
    unit_criterion: list[Any]
    unit_item: NDArray[np.int64]
    decided: Array
    """(units, raters): 1 met, 0 not met."""
    graded: Array
    """(units, raters): 2 met, 1 cannot tell, 0 not met."""
    left_open: Array
    """(units, raters): 1 cannot tell or error, 0 decided, nan not applicable."""

    def rows(self, criteria: Iterable[Any]) -> NDArray[np.bool_]:
        """Which units are of these criteria."""
        wanted = set(criteria)
        return np.array([criterion in wanted for criterion in self.unit_criterion], dtype=bool)

    def strata(self) -> NDArray[np.int64]:
        """Each unit's criterion as a number, (units,)."""
        numbers = {criterion: n for n, criterion in enumerate(dict.fromkeys(self.unit_criterion))}
        return np.array([numbers[criterion] for criterion in self.unit_criterion], dtype=int)


def table_of(said: Iterable[Said]) -> VerdictTable:
    """The table of what was said; raters in the order in which they first speak."""
    rows = list(said)
    raters = list(dict.fromkeys(row.rater for row in rows))
    units = sorted(dict.fromkeys((row.criterion, row.item) for row in rows), key=lambda unit: str(unit[0]))
    items = {item: n for n, item in enumerate(dict.fromkeys(item for _, item in units))}
    column = {rater: n for n, rater in enumerate(raters)}
    line = {unit: n for n, unit in enumerate(units)}
    tables = [np.full((len(units), len(raters)), np.nan) for _ in range(3)]
    for row in rows:
        at = line[row.criterion, row.item], column[row.rater]
        left_open = None if row.verdict is Verdict.NOT_APPLICABLE else float(row.verdict in OPEN)
        for table, value in zip(tables, (DECIDED.get(row.verdict), GRADED.get(row.verdict), left_open), strict=True):
            table[at] = np.nan if value is None else value
    numbers = np.array([items[item] for _, item in units], dtype=int)
    return VerdictTable(raters, [criterion for criterion, _ in units], numbers, *tables)


def said_in(
    annotations: Any, criteria: Sequence[RubricCriterion], *, rater: str = "annotator_id", name: Mapping[int, Any]
) -> list[Said]:
    """What these annotations say about these criteria, in one query; `name` maps a criterion's id to what it is called.

    Only criteria that are judged turn by turn need folding, so that a long queue stays quick.
    """
    by_turn = {criterion.pk: criterion for criterion in criteria if criterion.per_turn}
    rows = Rating.objects.filter(annotation__in=annotations, criterion__in=[criterion.pk for criterion in criteria])
    columns = ("annotation_id", "annotation__item_id", f"annotation__{rater}", "criterion_id", "turn", "verdict")
    found: list[Said] = []
    turns: dict[tuple[Any, ...], list[Rating]] = defaultdict(list)
    for annotation, item, who, criterion, turn, verdict in rows.order_by().values_list(*columns):
        if criterion in by_turn:
            turns[annotation, item, who, criterion].append(Rating(criterion_id=criterion, turn=turn, verdict=verdict))
        else:
            found.append(Said(item, who, name[criterion], Verdict(verdict)))
    for (_, item, who, criterion), several in turns.items():
        (one,) = folded([by_turn[criterion]], several)
        found.append(Said(item, who, name[criterion], one.verdict))
    return found


def annotations_of(annotations: Any) -> list[Annotation]:
    """Judgements with what is compared of them as a whole: score, coverage, harm."""
    return list(annotations.only("id", "item_id", "annotator_id", "score", "coverage", "harm", "submitted_at"))
