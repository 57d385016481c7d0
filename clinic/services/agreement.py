"""How far the physicians of a queue, or of a rubric's version, agree: by criterion, axis and annotator."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import Any

import numpy as np

from agents.agreement import Estimate, alpha_interval, pairs_kappa_interval, rater_agreement, raw_interval
from clinic.models import (
    Annotation,
    AnnotationOrigin,
    AnnotationQueue,
    AnnotationStatus,
    Axis,
    Harm,
    RubricCriterion,
    RubricVersion,
    User,
)
from clinic.verdict_table import Array, VerdictTable, said_in, table_of

SMALLEST = 10
"""Below this many consultations with two judgements there is no number: it would tell about chance and people."""
REPEATS = 1000
TOO_FEW = "too few"
NO_VARIATION = "hardly varies"
GRADES = (0.0, 1.0, 2.0)


@dataclass(frozen=True, slots=True)
class Shown:
    """A coefficient with its interval, or in words why there is none."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """Agreement on one criterion, one axis or everything; `items` have two judgements that decided it."""

    name: str
    items: int
    alpha: Shown
    kappa: Shown
    raw: Shown
    decided: float | None = None
    """Share of the verdicts, of those to which it applied, that were met or not met."""
    axis: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class AnnotatorRow:
    """One annotator against the majority of the others, and against themselves where they judged something twice."""

    annotator: User
    judged: int
    items: int
    kappa: Shown
    raw: Shown
    others: Shown
    flagged: bool
    minutes: float | None = None
    repeats: Shown = field(default_factory=Shown)
    gold: Shown = field(default_factory=Shown)


@dataclass(frozen=True)
class Agreement:
    """Everything that the page of a queue shows; `items` were judged by two people or more."""

    items: int
    judgements: int
    whole: Row | None
    score: Shown
    harm: Shown
    axes: list[Row]
    criteria: list[Row]
    annotators: list[AnnotatorRow]

    @property
    def flagged(self) -> list[AnnotatorRow]:
        return [row for row in self.annotators if row.flagged]


def of_queue(queue: AnnotationQueue) -> Agreement:
    """Agreement within one queue (five queries)."""
    return _agreement(Annotation.objects.filter(item__queue=queue))


def of_version(version: RubricVersion) -> Agreement:
    """Agreement with one version of a rubric, whatever the queue (five queries)."""
    return _agreement(Annotation.objects.filter(rubric_version=version, item__queue__site=version.rubric.site_id))


def _agreement(annotations: Any) -> Agreement:
    mine = annotations.filter(origin=AnnotationOrigin.PERSON, status=AnnotationStatus.SUBMITTED, item__other=None)
    rows = list(mine.select_related("annotator", "item").order_by("submitted_at", "pk"))
    criteria = _criteria(rows)
    name = {criterion.pk: f"{criterion.version.rubric_id} {criterion.key}" for criterion in criteria}
    newest = {name[criterion.pk]: criterion for criterion in criteria}
    said = said_in([row.pk for row in rows], criteria, name=name)
    once = {row.item_id for row in rows if row.item.repeat_of_id is None}
    table = table_of(one for one in said if one.item in once)
    first = [row for row in rows if row.item_id in once]
    return Agreement(
        items=_shared(first),
        judgements=len(first),
        whole=_row("All criteria", table, np.ones(len(table.unit_item), dtype=bool)) if len(newest) > 1 else None,
        score=_shown_alpha(first, lambda row: row.score, "interval"),
        harm=_shown_alpha(first, lambda row: _harm(row), "ordinal"),
        axes=_axes(table, newest),
        criteria=[_criterion(table, called, one) for called, one in _in_order(newest)],
        annotators=_annotators(table, rows, said),
    )


def _criteria(rows: Sequence[Annotation]) -> list[RubricCriterion]:
    versions = {row.rubric_version_id for row in rows}
    found = RubricCriterion.objects.filter(version__in=versions, kept=True).select_related("version__rubric")
    return list(found.order_by("version__number", "position"))


def _in_order(newest: dict[str, RubricCriterion]) -> list[tuple[str, RubricCriterion]]:
    order = list(Axis.values)
    return sorted(newest.items(), key=lambda row: (order.index(row[1].axis), row[1].position, row[0]))


def _shared(rows: Iterable[Annotation]) -> int:
    """How many items two people judged."""
    people: dict[Any, set[Any]] = {}
    for row in rows:
        people.setdefault(row.item_id, set()).add(row.annotator_id)
    return sum(len(several) > 1 for several in people.values())


def _axes(table: VerdictTable, criteria: dict[str, RubricCriterion]) -> list[Row]:
    found = []
    for axis in Axis:
        inside = [called for called, criterion in criteria.items() if criterion.axis == axis]
        if inside:
            found.append(_row(str(axis.label), table, table.rows(inside), key=str(axis)))
    return found


def _criterion(table: VerdictTable, called: str, criterion: RubricCriterion) -> Row:
    axis = criterion.get_axis_display()
    return _row(criterion.text, table, table.rows([called]), axis=axis, key=criterion.key)


def _row(name: str, table: VerdictTable, units: Any, *, axis: str = "", key: str = "") -> Row:
    """Chance is reckoned within each criterion, and consultations are drawn whole."""
    decided, graded, items = table.decided[units], table.graded[units], table.unit_item[units]
    strata, left_open = table.strata()[units], table.left_open[units]
    paired = len(np.unique(items[(~np.isnan(decided)).sum(axis=1) > 1]))
    how: dict[str, Any] = {"clusters": items, "repeats": REPEATS}
    applicable = ~np.isnan(left_open)
    few = paired < SMALLEST
    return Row(
        name=name,
        items=paired,
        alpha=Shown(why=TOO_FEW) if few else shown(alpha_interval(decided, strata=strata, **how)),
        kappa=Shown(why=TOO_FEW)
        if few
        else shown(pairs_kappa_interval(graded, weights="linear", categories=GRADES, strata=strata, **how)),
        raw=Shown(why=TOO_FEW) if few else shown(raw_interval(decided, **how)),
        decided=float(1 - left_open[applicable].mean()) if applicable.any() else None,
        axis=axis,
        key=key,
    )


def shown(found: Estimate) -> Shown:
    """A coefficient as a page shows it."""
    if isnan(found.value):
        return Shown(why=NO_VARIATION)
    if isnan(found.low):
        return Shown(value=found.value, why=NO_VARIATION)
    return Shown(found.value, found.low, found.high)


def _shown_alpha(rows: Sequence[Annotation], value: Any, level: str) -> Shown:
    """Alpha of one number of each judgement as a whole."""
    people = {who: n for n, who in enumerate(dict.fromkeys(row.annotator_id for row in rows))}
    items = {item: n for n, item in enumerate(dict.fromkeys(row.item_id for row in rows))}
    table = np.full((len(items), max(len(people), 1)), np.nan)
    for row in rows:
        number = value(row)
        if number is not None:
            table[items[row.item_id], people[row.annotator_id]] = number
    if ((~np.isnan(table)).sum(axis=1) > 1).sum() < SMALLEST:
        return Shown(why=TOO_FEW)
    return shown(alpha_interval(table, level=level, repeats=REPEATS))


def _harm(row: Annotation) -> int | None:
    return list(Harm.values).index(row.harm) if row.harm else None


def _annotators(table: VerdictTable, rows: Sequence[Annotation], said: Sequence[Any]) -> list[AnnotatorRow]:
    """Sorted with the flagged first, then by name."""
    people = {row.annotator_id: row.annotator for row in rows if row.annotator}
    how: dict[str, Any] = {"strata": table.strata(), "clusters": table.unit_item, "repeats": REPEATS}
    agreed = dict(zip(table.raters, rater_agreement(table.decided, **how), strict=True)) if len(table.raters) else {}
    twice, gold = _repeats(rows, said), _gold(rows, said)
    found = []
    for pk, person in people.items():
        mine = [row for row in rows if row.annotator_id == pk]
        seconds = [row.seconds for row in mine if row.seconds]
        one = agreed.get(pk)
        few = one is None or one.clusters < SMALLEST
        found.append(
            AnnotatorRow(
                annotator=person,
                judged=len(mine),
                items=one.clusters if one else 0,
                kappa=Shown(why=TOO_FEW) if few or one is None else shown(one.kappa),
                raw=Shown(why=TOO_FEW) if few or one is None else shown(one.raw),
                others=Shown(why=TOO_FEW) if few or one is None else shown(one.others),
                flagged=bool(one and not few and one.flagged),
                minutes=float(np.median(seconds)) / 60 if len(seconds) >= SMALLEST else None,
                repeats=_raw_of(twice.get(pk, [])),
                gold=_raw_of(gold.get(pk, [])),
            )
        )
    return sorted(found, key=lambda row: (not row.flagged, row.annotator.display_name))


def _repeats(rows: Sequence[Annotation], said: Sequence[Any]) -> dict[Any, list[Any]]:
    """Annotator to (item, first, second) of what they decided twice without being told."""
    original = {row.item_id: row.item.repeat_of_id for row in rows if row.item.repeat_of_id}
    verdicts = {(one.item, one.rater, one.criterion): one.verdict for one in said}
    found: dict[Any, list[Any]] = {}
    for (item, who, criterion), verdict in verdicts.items():
        before = verdicts.get((original.get(item), who, criterion))
        if before is not None:
            found.setdefault(who, []).append((item, before, verdict))
    return found


def _gold(rows: Sequence[Annotation], said: Sequence[Any]) -> dict[Any, list[Any]]:
    """Annotator to (item, known, theirs) where the right verdict was known beforehand, from another item."""
    known = _known({row.item_id: row for row in rows if row.item.gold})
    criteria = _criteria(list(known.values()))
    name = {criterion.pk: f"{criterion.version.rubric_id} {criterion.key}" for criterion in criteria}
    told = said_in([one.pk for one in known.values()], criteria, rater="id", name=name) if known else []
    right = {(one.rater, one.criterion): one.verdict for one in told}
    found: dict[Any, list[Any]] = {}
    for one in said:
        source = known.get(one.item)
        if source and (source.pk, one.criterion) in right:
            found.setdefault(one.rater, []).append((one.item, right[source.pk, one.criterion], one.verdict))
    return found


def _known(gold: dict[Any, Annotation]) -> dict[Any, Annotation]:
    """Gold item to the newest authoritative judgement of its consultation by its version, given on another item."""
    if not gold:
        return {}
    places: dict[Any, list[Any]] = {}
    for item, row in gold.items():
        places.setdefault((row.item.consultation_id, row.rubric_version_id), []).append(item)
    settled = Annotation.objects.filter(authoritative=True, item__consultation__in={held for held, _ in places})
    settled = settled.filter(rubric_version__in={version for _, version in places})
    found: dict[Any, Annotation] = {}
    for one in settled.select_related("item").order_by("submitted_at", "pk"):
        items = places.get((one.item.consultation_id, one.rubric_version_id), [])
        found |= {item: one for item in items if item != one.item_id}
    return found


def _raw_of(pairs: Sequence[Any]) -> Shown:
    """Raw agreement of pairs of verdicts, whatever they are."""
    if not pairs:
        return Shown()
    if len({item for item, _, _ in pairs}) < SMALLEST:
        return Shown(why=TOO_FEW)
    order = {verdict: n for n, verdict in enumerate({verdict for _, *both in pairs for verdict in both})}
    numbers: Array = np.array([[order[first], order[second]] for _, first, second in pairs], dtype=float)
    items = {item: n for n, item in enumerate(dict.fromkeys(item for item, _, _ in pairs))}
    return shown(raw_interval(numbers, clusters=[items[item] for item, _, _ in pairs], repeats=REPEATS))
