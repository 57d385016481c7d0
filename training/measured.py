"""Which cases an evaluation was on, so that nothing is learned from them (clinic.learnable.MEASURED)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from clinic.models import Case
from training.models import EvaluatedEpisode


def measured(cases: Sequence[Case]) -> set[UUID]:
    """Primary keys of those that an evaluation of their own site has played."""
    rows = EvaluatedEpisode.objects.filter(case__in={case.key for case in cases})
    played = set(rows.values_list("evaluation__site", "case").distinct())
    return {case.pk for case in cases if (case.site_id, case.key) in played}
