"""Reads what a site may learn from, writes rows of one format, weighs them, and counts what was left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from typing import Any
from uuid import UUID

from django.db.models import Prefetch

from clinic.influence import CAP, Row, largest_share, weights
from clinic.learnable import WHY_NOT, cases_of, look_up, why_not
from clinic.models import Feedback, Site, Turn
from clinic.training_rows.cases import grpo
from clinic.training_rows.formats import WRITERS
from clinic.training_rows.spoken import Speech, Unusable

FORMATS = (*WRITERS, "grpo")
CHUNK = 500
SILENT = "says nothing that this format can carry"


@dataclass(slots=True)
class Export:
    """`read` rows of feedback = `used` + all that was left out; `share` is the largest of one annotator."""

    format: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    read: int = 0
    used: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    share: Fraction = Fraction(0)
    annotators: int = 0

    def as_dict(self) -> dict[str, Any]:
        return {
            "format": self.format,
            "rows": len(self.rows),
            "read": self.read,
            "used": self.used,
            "left_out": dict(sorted(self.left_out.items())),
            "annotators": self.annotators,
            "largest_share": round(float(self.share), 6),
            "cap": str(CAP),
        }


def export(
    *,
    site: Site,
    format: str,
    cap: Fraction = CAP,
    among: Collection[UUID] | None = None,
    speech: Speech | None = None,
) -> Export:
    """Only approved feedback with consent, not withdrawn, on cases that training may see; KeyError for no format.

    With `among` nothing else is read, so that weights are those of these rows alone; a `speech` that another format
    was written with spares reading each turn's context again.
    """
    found = Export(format)
    usable = list(_usable(feedback_of(site, among=among), found))
    speech = speech or Speech()
    if format == "grpo":
        _collect_cases(usable, speech, found, cap)
    else:
        _collect(usable, speech, found, cap)
    return found


def feedback_of(site: Site, *, among: Collection[UUID] | None = None) -> Iterable[Feedback]:
    """Everything that was given at a site, oldest first, with what rows are written from."""
    turns = Prefetch("consultation__turns", Turn.objects.order_by("number"))
    related = ("turn__consultation__model_version", "consultation__case", "consultation__model_version")
    pair = ("consultation__case", "consultation__model_version", "other__case", "other__model_version")
    given = Feedback.objects.filter(site=site)
    rows = (given if among is None else given.filter(pk__in=list(among))).select_related(
        "by", *related, "annotation__rubric_version__rubric", *(f"annotation__item__{name}" for name in pair)
    )
    kept = rows.prefetch_related(turns, "annotation__ratings__criterion", "annotation__preferences")
    return kept.order_by("at", "pk").iterator(chunk_size=CHUNK)


def _usable(rows: Iterable[Feedback], found: Export) -> Iterable[Feedback]:
    following = iter(rows)
    while chunk := list(islice(following, CHUNK)):
        look_up(case for row in chunk for case in cases_of(row))
        for row in chunk:
            found.read += 1
            if reason := why_not(row):
                found.left_out[WHY_NOT[reason]] += 1
            else:
                yield row


def _collect(usable: Iterable[Feedback], speech: Speech, found: Export, cap: Fraction) -> None:
    writer = WRITERS[found.format]
    givers = []
    for row in usable:
        try:
            written = list(writer(row, speech))
        except Unusable as error:
            found.left_out[str(error)] += 1
            continue
        if not written:
            found.left_out[SILENT] += 1
            continue
        found.used += 1
        found.rows += written
        givers += [row.by_id] * len(written)
    _weigh(found, givers, cap)


def _weigh(found: Export, givers: list[int], cap: Fraction) -> None:
    members = [Row(number, giver) for number, giver in enumerate(givers)]
    given = weights(members, cap=cap)
    for number, row in enumerate(found.rows):
        row["weight"] = float(given["", number])
        row["weight_exact"] = str(given["", number])
    found.share, found.annotators = largest_share(members, given), len(set(givers))


def _collect_cases(usable: list[Feedback], speech: Speech, found: Export, cap: Fraction) -> None:
    judged = []
    for row in usable:
        annotation = getattr(row, "annotation", None)
        if annotation is None or annotation.rubric_version is None:
            found.left_out[SILENT] += 1
        else:
            judged.append(row)
    members = [Row(row.pk, row.by_id) for row in judged]
    given = weights(members, cap=cap)
    found.rows, failed = grpo(judged, speech, {row.pk: given["", row.pk] for row in judged}, cap=cap)
    found.left_out.update(failed)
    found.used = len(judged) - sum(failed.values())
    found.share, found.annotators = largest_share(members, given), len({row.by_id for row in judged})
