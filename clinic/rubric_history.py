"""Two versions of a rubric beside each other, and what older annotations would score under a newer one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Prefetch, QuerySet

from agents.rubrics import Score, score
from clinic.blindness import readable_by
from clinic.folding import folded
from clinic.models import Annotation, AnnotationStatus, Rating, RubricCriterion, RubricVersion, User

COMPARED = (
    ("text", "Statement"),
    ("points", "Points"),
    ("axis", "Axis"),
    ("never", "Never-item"),
    ("evidence_required", "Evidence required"),
    ("per_turn", "Judged at every turn"),
    ("guideline", "Guideline"),
    ("examples", "Examples"),
    ("rule", "Rule"),
)
BREAKING = {"Statement", "Judged at every turn"}
"""Changes after which an older verdict answers another question."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Words that stayed, went or came; `how` is same, gone or new."""

    how: str
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """One field of one criterion."""

    name: str
    old: Any
    new: Any
    pieces: tuple[Piece, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """One criterion in both versions; `kind` is added, removed, changed or same."""

    kind: str
    key: str
    criterion: RubricCriterion
    changes: tuple[Change, ...] = ()

    @property
    def rewords(self) -> bool:
        return any(change.name == "Statement" for change in self.changes)

    @property
    def carries(self) -> bool:
        """Whether verdicts by the older version hold under the newer."""
        return self.kind in ("same", "changed") and not {c.name for c in self.changes} & BREAKING


def differences(old: RubricVersion, new: RubricVersion) -> list[Difference]:
    """By key, in the order of the newer version, what was removed last."""
    before = {row.key: row for row in old.criteria.all() if row.kept}
    after = {row.key: row for row in new.criteria.all() if row.kept}
    found = [_difference(before.get(key), row) for key, row in after.items()]
    return found + [Difference("removed", key, row) for key, row in before.items() if key not in after]


def _difference(old: RubricCriterion | None, new: RubricCriterion) -> Difference:
    if old is None:
        return Difference("added", new.key, new)
    changes = tuple(_changes(old, new))
    return Difference("changed" if changes else "same", new.key, new, changes)


def _changes(old: RubricCriterion, new: RubricCriterion) -> Iterator[Change]:
    for field, name in COMPARED:
        before, after = getattr(old, field), getattr(new, field)
        if before != after:
            long = field in ("text", "guideline")
            yield Change(name, before, after, words(before, after) if long else ())


def words(old: str, new: str) -> tuple[Piece, ...]:
    """The change word by word."""
    before, after = re.findall(r"\s*\S+", old), re.findall(r"\s*\S+", new)
    found: list[Piece] = []
    for how, a, b, c, d in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if how == "equal":
            found.append(Piece("same", "".join(after[c:d])))
            continue
        found += [Piece("gone", "".join(before[a:b]))] if a < b else []
        found += [Piece("new", "".join(after[c:d]))] if c < d else []
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Rescored:
    """One annotation by an older version: what it scored, what it would score now, and how much that rests on."""

    annotation: Annotation
    old: Score
    new: Score
    carried: int
    asked: int

    @property
    def change(self) -> float | None:
        if self.old.value is None or self.new.value is None:
            return None
        return self.new.value - self.old.value


def older_annotations(version: RubricVersion, user: User) -> QuerySet[Annotation]:
    """Submitted annotations by other versions of the same rubric that this person may see; blind ones in their time."""
    ratings = Rating.objects.select_related("criterion")
    return (
        Annotation.objects.visible_to(user)
        .filter(readable_by(user), rubric_version__rubric=version.rubric_id, status=AnnotationStatus.SUBMITTED)
        .filter(item__consultation__case__deleted_at=None)
        .exclude(rubric_version=version)
        .select_related("rubric_version", "annotator", "item__consultation__case")
        .prefetch_related(
            Prefetch("ratings", queryset=ratings),
            Prefetch("rubric_version__criteria", queryset=RubricCriterion.objects.filter(kept=True)),
        )
        .order_by("-submitted_at", "pk")
    )


def rescored(version: RubricVersion, annotations: Sequence[Annotation]) -> list[Rescored]:
    """Scores under `version`: a verdict is carried where key, statement and way of judging are the same.

    Nothing is written; criteria without a carried verdict lower the coverage, never the score.
    """
    criteria = [row for row in version.criteria.all() if row.kept]
    return [_rescored(criteria, annotation) for annotation in annotations]


def _rescored(criteria: Sequence[RubricCriterion], annotation: Annotation) -> Rescored:
    judged_by = list(annotation.rubric_version.criteria.all()) if annotation.rubric_version else []
    ratings = list(annotation.ratings.all())
    before = {row.key: row for row in judged_by}
    carried = [row for row in criteria if row.key in before and _holds(before[row.key], row)]
    # Folding depends on the sign, which the new version may have turned: so by the new version's criteria.
    moved = {before[row.key].pk: row for row in carried}
    again = [_moved(rating, moved[rating.criterion_id]) for rating in ratings if rating.criterion_id in moved]
    return Rescored(
        annotation,
        score([row.as_criterion() for row in judged_by], folded(judged_by, ratings)),
        score([row.as_criterion() for row in criteria], folded(criteria, again)),
        len(carried),
        len(criteria),
    )


def _holds(old: RubricCriterion, new: RubricCriterion) -> bool:
    return old.text == new.text and old.per_turn == new.per_turn


def _moved(rating: Rating, criterion: RubricCriterion) -> Rating:
    """The verdict as one of the new criterion; never saved."""
    return Rating(
        criterion=criterion,
        turn=rating.turn,
        verdict=rating.verdict,
        evidence=rating.evidence,
        evidence_turn=rating.evidence_turn,
        reason=rating.reason,
    )
