"""Each rater against the majority of the others, so that one who judges upside down or by chance stands out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from agents.agreement.bootstrap import REPEATS, Array, Estimate
from agents.agreement.coincidences import table_of
from agents.agreement.kappa import of_cells
from agents.agreement.raw import raw_interval

FAR = 0.3
"""A rater is flagged only where kappa lies this far below that of the others, beyond what the intervals allow."""
COSTS = 1 - np.eye(2)


@dataclass(frozen=True, slots=True)
class RaterAgreement:
    """Kappa and raw agreement of one rater with the majority of the others, and kappa of the others without them.

    `clusters` counts the consultations in which there was such a majority.
    """

    kappa: Estimate
    raw: Estimate
    others: Estimate
    clusters: int
    flagged: bool


def majority_of_others(ratings: ArrayLike) -> Array:
    """What most other raters of the unit said, (units, raters) of 0 and 1; nan for a tie, for nobody, for the absent.

    Ratings are (units, raters) of 0 and 1, nan where a rater left a unit out.
    """
    table = table_of(ratings)
    there = ~np.isnan(table)
    said = np.where(there, table, 0)
    others = there.sum(axis=1, keepdims=True) - there
    met = said.sum(axis=1, keepdims=True) - said
    decided = there & (2 * met != others)
    return np.where(decided, (2 * met > others).astype(float), np.nan)


def rater_agreement(
    ratings: ArrayLike, *, strata: ArrayLike, clusters: ArrayLike, repeats: int = REPEATS, seed: int = 0
) -> list[RaterAgreement]:
    """One for each column of ratings (units, raters), which are 0, 1 or nan; raises ValueError for anything else.

    Chance is reckoned within `strata` (units,) and `clusters` (units,) are drawn whole. The others are compared among
    each other without the rater in question: one who flips everything would pull down everybody beside him. With two
    raters nobody can say which one is off, so neither is flagged.
    """
    table = table_of(ratings)
    if not np.isin(table[~np.isnan(table)], (0, 1)).all():
        raise ValueError("ratings are 0, 1 or nan")
    layers, groups = np.asarray(strata), np.asarray(clusters)
    majority = majority_of_others(table)
    found = []
    for rater in range(table.shape[1]):
        pair = np.column_stack([table[:, rater], majority[:, rater]])
        kappa = _kappa(pair[:, :1], pair[:, 1:], layers, groups, repeats, seed)
        raw = raw_interval(pair, clusters=groups, repeats=repeats, seed=seed)
        rest = np.delete(table, rater, axis=1)
        others = _kappa(rest, majority_of_others(rest), layers, groups, repeats, seed)
        counted = len(np.unique(groups[~np.isnan(pair).any(axis=1)]))
        found.append(RaterAgreement(kappa, raw, others, counted, _stands_out(kappa, others)))
    return found


def _stands_out(own: Estimate, others: Estimate) -> bool:
    """Far below, and the intervals do not touch."""
    if not (own.is_defined and others.is_defined):
        return False
    return own.high < others.low and own.value < others.value - FAR


def _kappa(said: Array, majority: Array, strata: Array, clusters: Array, repeats: int, seed: int) -> Estimate:
    """Of raters (units, R) with their majorities, all R together."""
    both = ~(np.isnan(said) | np.isnan(majority))
    cells = [(both & (said == a) & (majority == b)).sum(axis=1) for a in (0, 1) for b in (0, 1)]
    parts, counted = np.column_stack(cells).astype(float), both.any(axis=1)
    additive = of_cells(parts[counted], COSTS, strata[counted])
    return additive.interval(clusters=clusters[counted], repeats=repeats, seed=seed)
