"""What this installation's own rows say of a version elsewhere than in its gate: published cases, and its own use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from clinic.models import ModelVersion, User
from training.drift import reading
from training.drift.reading import Held
from training.evaluation.statistics import SMALLEST_CELL
from training.models import Evaluation, EvaluationStatus

WEEKS = 16


@dataclass(frozen=True, slots=True)
class Known:
    """`outside`: finished evaluations on cases it was not trained on the like of; `used`: consultations of the site."""

    outside: tuple[Evaluation, ...] = ()
    used: tuple[Held, ...] = ()

    @property
    def judged(self) -> list[Held]:
        """Consultations with a diagnosis whose truth is known."""
        return [row for row in self.used if row.right is not None]

    def right_by(self, group: str) -> list[tuple[str, int, float]]:
        """(value, n, share right) of each group large enough to be shown; `group` is "sex" or "age"."""
        found: dict[str, list[bool]] = {}
        for row in self.judged:
            found.setdefault(str(getattr(row, group)), []).append(bool(row.right))
        large = {name: told for name, told in sorted(found.items()) if len(told) >= SMALLEST_CELL}
        return [(name, len(told), sum(told) / len(told)) for name, told in large.items()]


def of(version: ModelVersion, user: User) -> Known:
    """What the user's site knows of it; nothing for people without one."""
    if user.site is None:
        return Known()
    now = timezone.now()
    visible = Evaluation.objects.visible_to(user).filter(status=EvaluationStatus.SUCCEEDED)
    mine = visible.filter(Q(identity__version=version.version)).exclude(case_set__startswith="virtual:")
    used = reading.held(user.site, since=now - timedelta(weeks=WEEKS), until=now, version=version)
    return Known(tuple(mine.select_related("by")), tuple(used))
