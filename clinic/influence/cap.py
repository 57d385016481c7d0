"""The influence cap: in no group has one annotator more than a share of the weight, computed in exact fractions.

In each group (a criterion, a dimension, a whole snapshot) every row weighs 1 unless its annotator has too many. The
largest total T is sought for which min(rows, T) of every annotator is at most `cap` of the sum of them all; who has
more rows than T shares T among them. Where fewer people judged than 1/cap, no such T exists and all weigh alike.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

CAP = Fraction(1, 3)
"""Of the weight of a group: with three annotators or more nobody outweighs two others."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one annotator gave in one group; `key` names it within the group."""

    key: Hashable
    annotator: Hashable
    group: Hashable = ""


def weights(rows: Iterable[Row], *, cap: Fraction = CAP) -> dict[tuple[Hashable, Hashable], Fraction]:
    """(group, key) -> weight in 0..1; raises ValueError for a cap outside 0..1, or a key given twice in a group."""
    groups: dict[Hashable, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.group].append(row)
    found: dict[tuple[Hashable, Hashable], Fraction] = {}
    for group, members in groups.items():
        each = factors(Counter(row.annotator for row in members), cap=cap)
        for row in members:
            if (group, row.key) in found:
                raise ValueError(f"{row.key!r} is in {group!r} twice")
            found[group, row.key] = each[row.annotator]
    return found


def factors(counts: Mapping[Hashable, int], *, cap: Fraction = CAP) -> dict[Hashable, Fraction]:
    """What a row of each annotator weighs in one group, 0..1, from how many each one gave (1 or more)."""
    if not 0 < cap <= 1:
        raise ValueError("the cap is a share above 0 and at most 1")
    most = _most(counts, cap)
    return {annotator: min(Fraction(1), most / count) for annotator, count in counts.items()}


def largest_share(rows: Sequence[Row], weight: Mapping[tuple[Hashable, Hashable], Fraction]) -> Fraction:
    """The largest share of one annotator in any group; 0 without rows."""
    totals: dict[Hashable, Counter[Hashable]] = defaultdict(Counter)
    for row in rows:
        totals[row.group][row.annotator] += weight[row.group, row.key]  # type: ignore[assignment]
    return max((Fraction(max(t.values())) / sum(t.values()) for t in totals.values()), default=Fraction(0))


def _most(counts: Mapping[Hashable, int], cap: Fraction) -> Fraction:
    """The largest total T that any annotator may have: T <= cap * sum of min(rows, T)."""
    ordered = sorted(counts.values(), reverse=True)
    if len(ordered) * cap <= 1:  # too few people, or just enough: only equal totals keep the cap
        return Fraction(ordered[-1])
    # With `capped` people at T: T = cap * (capped * T + rest). It ends before capped * cap = 1, where T >= rest.
    for capped, largest in enumerate(ordered):
        most = cap * sum(ordered[capped:]) / (1 - capped * cap)
        if most >= largest:
            break
    return most
